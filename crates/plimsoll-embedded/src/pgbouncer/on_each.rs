//! The same test on both kinds of PgBouncer.

/// Makes two tests of each function `async fn(PgBouncerVersion)` that it names: `function::on_pgbouncer_1_18` and
/// `function::on_pgbouncer_1_24`, so that a run tells which of the two failed.
///
/// A test fails where its PgBouncer is not there. Where that is no reason to fail, the run is to leave such tests out by
/// their name, so that they are counted as not run; see the `Makefile` of this repository.
///
/// ```ignore
/// async fn it_pools(version: PgBouncerVersion) { /* .. */ }
///
/// plimsoll_embedded::on_each_pgbouncer!(it_pools);
/// ```
///
/// A second form says how the tests are run: `on_each_pgbouncer!(#[tokio::test(flavor = "multi_thread")] it_pools)`.
#[macro_export]
macro_rules! on_each_pgbouncer {
    ($($test:ident),+ $(,)?) => {
        $($crate::on_each_pgbouncer!(#[tokio::test] $test);)+
    };
    (#[$how:meta] $test:ident) => {
        mod $test {
            #[$how]
            async fn on_pgbouncer_1_18() {
                super::$test($crate::PgBouncerVersion::V1_18).await;
            }

            #[$how]
            async fn on_pgbouncer_1_24() {
                super::$test($crate::PgBouncerVersion::V1_24).await;
            }
        }
    };
}
