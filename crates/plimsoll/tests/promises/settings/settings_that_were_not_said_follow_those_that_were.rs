//! Defaults give way to what was said, in every direction; profiles are defaults with a name.

use std::time::Duration;

use plimsoll::settings::{Limit, Plan, PoolerMode, Profile, Settings};

fn base() -> Settings {
    Settings::default().hosts("localhost").user("app")
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Lock, statement, client and transaction limit, in milliseconds; -1 for none.
fn limits(plan: &Plan) -> [i64; 4] {
    [
        plan.lock_timeout(),
        plan.statement_timeout(),
        plan.client_statement_timeout(),
        plan.transaction_timeout(),
    ]
    .map(|limit| limit.map_or(-1, |time| i64::try_from(time.as_millis()).unwrap()))
}

fn checked(settings: Settings) -> [i64; 4] {
    limits(&settings.check().unwrap())
}

#[test]
fn who_says_nothing_gets_limits_that_lie_within_each_other() {
    let plan = base().check().unwrap();
    assert_eq!(limits(&plan), [5_000, 30_000, 32_000, 60_000]);
    assert_eq!(plan.idle_in_transaction_session_timeout(), Some(secs(30)));
    assert_eq!(plan.client_connection_check_interval(), Some(secs(2)));
    assert_eq!((plan.pool_timeout(), plan.connect_timeout()), (secs(30), secs(10)));
    assert_eq!(plan.tcp_user_timeout(), Some(secs(10)));
    assert_eq!((plan.pool_min(), plan.pool_max(), plan.max_overflow()), (2, 10, 20));
    assert_eq!((plan.max_lifetime(), plan.idle_timeout()), (Some(secs(1_800)), Some(secs(600))));
    assert_eq!(plan.check_after_idle(), Some(secs(1)));
}

#[test]
fn the_other_limits_follow_the_one_that_was_said() {
    assert_eq!(checked(base().statement_timeout(secs(60))), [5_000, 60_000, 62_000, 120_000]);
    assert_eq!(checked(base().statement_timeout(secs(3))), [2_400, 3_000, 5_000, 60_000]);
    assert_eq!(checked(base().lock_timeout(secs(40))), [40_000, 50_000, 52_000, 100_000]);
    assert_eq!(checked(base().client_statement_timeout(secs(10))), [5_000, 8_000, 10_000, 60_000]);
    assert_eq!(checked(base().transaction_timeout(secs(20))), [5_000, 16_000, 18_000, 20_000]);
    assert_eq!(
        checked(base().lock_timeout(secs(40)).client_statement_timeout(secs(41))),
        [40_000, 40_500, 41_000, 81_000]
    );
}

#[test]
fn no_limit_on_statements_means_none_above_them_unless_said() {
    assert_eq!(checked(base().statement_timeout(Limit::Off)), [5_000, -1, -1, -1]);
    let said = base().statement_timeout(Limit::Off).transaction_timeout(secs(300));
    assert_eq!(checked(said), [5_000, -1, -1, 300_000]);
    assert_eq!(checked(base().client_statement_timeout(None)), [5_000, 30_000, -1, 60_000]);
}

#[test]
fn short_limits_shorten_what_must_lie_within_them() {
    let plan = base().statement_timeout(Duration::from_millis(50)).check().unwrap();
    assert_eq!(plan.deadline_margin(), Duration::from_millis(40));
    assert_eq!(plan.client_connection_check_interval(), Some(Duration::from_millis(40)));
    let plan = base().transaction_timeout(secs(10)).check().unwrap();
    assert_eq!(plan.idle_in_transaction_session_timeout(), Some(secs(8)));
}

#[test]
fn an_impatient_pool_makes_the_kernel_impatient_but_not_hasty() {
    let of = |pool_timeout| {
        let plan = base().pool_timeout(pool_timeout).check().unwrap();
        (plan.tcp_user_timeout(), plan.connect_timeout())
    };
    assert_eq!(of(secs(3)), (Some(Duration::from_millis(2_400)), secs(10)));
    assert_eq!(of(Duration::from_millis(500)), (Some(secs(1)), secs(10)));
    let plan = base().tcp_user_timeout(secs(40)).check().unwrap();
    assert_eq!(plan.pool_timeout(), secs(50));
}

#[test]
fn rest_and_life_follow_each_other() {
    let plan = base().max_lifetime(secs(300)).check().unwrap();
    assert_eq!(plan.idle_timeout(), Some(secs(240)));
    let plan = base().idle_timeout(secs(3_600)).check().unwrap();
    assert_eq!(plan.max_lifetime(), Some(secs(4_500)));
    let plan = base().max_lifetime(Limit::Off).idle_timeout(Limit::Off).check().unwrap();
    assert_eq!((plan.max_lifetime(), plan.idle_timeout()), (None, None));
}

#[test]
fn a_maximum_that_was_said_is_the_most_there_will_be() {
    let sizes = |settings: Settings| {
        let plan = settings.check().unwrap();
        (plan.pool_min(), plan.pool_max(), plan.pool_total())
    };
    assert_eq!(sizes(base().pool_max(5)), (2, 5, 5));
    assert_eq!(sizes(base().pool_max(1)), (1, 1, 1));
    assert_eq!(sizes(base().pool_min(15)), (15, 15, 35));
    assert_eq!(sizes(base().pool_max(5).max_overflow(2)), (2, 5, 7));
    assert_eq!(
        sizes(base().pool_max(5).profile(Profile::Direct)),
        (2, 5, 25),
        "who names a profile gets its overflow"
    );
}

#[test]
fn each_size_profile() {
    let sizes = |profile| {
        let plan = base().profile(profile).check().unwrap();
        (plan.pool_min(), plan.pool_max(), plan.max_overflow())
    };
    assert_eq!(sizes(Profile::Service), (2, 10, 0));
    assert_eq!(sizes(Profile::Probe), (1, 5, 0));
}

#[test]
fn each_connection_profile() {
    let of = |profile| {
        let plan = base().profile(profile).check().unwrap();
        (plan.pooler(), plan.pool_max(), plan.max_overflow(), plan.max_lifetime(), plan.check_after_idle())
    };
    let direct = (PoolerMode::None, 10, 20, Some(secs(1_800)), Some(secs(1)));
    assert_eq!(of(Profile::Direct), direct);
    assert_eq!(of(Profile::Pooler), (PoolerMode::Transaction, 2, 5, Some(secs(300)), None));
}

#[test]
fn each_profile_of_pace() {
    let of = |profile| {
        let plan = base().profile(profile).check().unwrap();
        (plan.connect_timeout(), plan.pool_timeout(), limits(&plan))
    };
    assert_eq!(of(Profile::Development), (secs(5), secs(10), [5_000, 10_000, 12_000, 60_000]));
    assert_eq!(of(Profile::Production), (secs(10), secs(30), [5_000, 30_000, 32_000, 60_000]));
    assert_eq!(of(Profile::HighLoad), (secs(15), secs(45), [5_000, 60_000, 62_000, 120_000]));
    let development = base().profile(Profile::Development).check().unwrap();
    assert_eq!(development.tcp_user_timeout(), Some(secs(8)), "below a pool timeout of 10 s");
}

#[test]
fn profiles_go_together_in_any_order_and_are_weaker_than_what_was_said() {
    for profiles in ["pooler,high-load,service", "service + high-load + pooler"] {
        let variables = [("PLIMSOLL_PROFILE", profiles), ("PG_HOST", "db1"), ("PG_USER", "app")];
        let settings = Settings::from_vars(variables.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let plan = settings.and_then(Settings::check).unwrap();
        assert_eq!((plan.pooler(), plan.max_lifetime()), (PoolerMode::Transaction, Some(secs(300))));
        assert_eq!((plan.pool_max(), plan.max_overflow()), (10, 0), "a size profile knows more of sizes");
        assert_eq!(plan.statement_timeout(), Some(secs(60)));
    }
    let before = base().pool_max(7).profile(Profile::Service).check().unwrap();
    let after = base().profile(Profile::Service).pool_max(7).check().unwrap();
    assert_eq!((before.pool_max(), after.pool_max()), (7, 7));
}

#[test]
fn a_pooler_that_was_said_or_whose_port_was_said_brings_its_profile() {
    let of = |settings: Settings| {
        let plan = settings.check().unwrap();
        (plan.pool_max(), plan.max_overflow(), plan.check_after_idle())
    };
    let pooler = (2, 5, None);
    assert_eq!(of(base().pooler(PoolerMode::Transaction)), pooler);
    assert_eq!(of(Settings::default().hosts("db1:6432").user("app")), pooler);
    assert_eq!(of(Settings::default().hosts("db1").port(6543).user("app")), pooler);
    let told = Settings::default().hosts("db1:6432").user("app").pooler(PoolerMode::None);
    assert_eq!(of(told), (10, 20, Some(secs(1))));
    let named = Settings::default().hosts("db1:6432").user("app").profile(Profile::Direct);
    assert_eq!(of(named), (10, 20, Some(secs(1))));
    let plan = Settings::default().hosts("db1:6432").user("app").check().unwrap();
    assert_eq!((plan.pooler(), plan.has_pooler_port()), (PoolerMode::Auto, true), "a port is only a hint");
}
