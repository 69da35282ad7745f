//! A connection URL and libpq's `key=value` string say the same here as everywhere else.

use super::where_to;
use std::time::Duration;

use plimsoll::settings::{ChannelBinding, Settings, TargetSessionAttrs, TlsMode, TlsRoots};

#[test]
fn a_url_says_all_that_libpq_says_in_one() {
    let plan = Settings::from_url(
        "postgresql://app:p%40ss@db1:5433,db2,[::1]:5434/orders?sslmode=verify-full&sslrootcert=system\
         &application_name=orders%20api&connect_timeout=7&options=-c%20search_path%3Dapp\
         &target_session_attrs=read-write&channel_binding=require&keepalives_idle=20&keepalives_interval=5\
         &keepalives_count=2&tcp_user_timeout=8000",
    )
    .and_then(Settings::check)
    .unwrap();
    let (hosts, dbname, user, password) = where_to(&plan);
    assert_eq!(hosts, ["db1:5433", "db2:5432", "[::1]:5434"]);
    assert_eq!((dbname.as_str(), user.as_str(), password.as_deref()), ("orders", "app", Some("p@ss")));
    assert_eq!((plan.tls(), plan.tls_roots()), (TlsMode::VerifyFull, &TlsRoots::System));
    assert_eq!((plan.application_name(), plan.options()), ("orders api", "-c search_path=app"));
    assert_eq!(plan.connect_timeout(), Duration::from_secs(7));
    assert_eq!(plan.tcp_user_timeout(), Some(Duration::from_secs(8)));
    let keepalives = plan.keepalives().unwrap();
    assert_eq!((keepalives.idle, keepalives.count), (Duration::from_secs(20), 2));
    assert_eq!(plan.target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(plan.channel_binding(), ChannelBinding::Require);
}

#[test]
fn a_socket_directory_stands_encoded_in_a_url_or_in_its_host_parameter() {
    for url in
        ["postgres://app@%2Frun%2Fpg:5433/orders", "postgres:///orders?host=/run/pg&port=5433&user=app"]
    {
        let plan = Settings::from_url(url).and_then(Settings::check).unwrap();
        assert_eq!(where_to(&plan).0, ["/run/pg:5433"], "{url}");
        assert_eq!(plan.tls(), TlsMode::Prefer);
    }
}

#[test]
fn a_key_value_string_is_read_as_libpq_reads_it() {
    let plan = Settings::from_url(
        r"host=db1,db2 port=5433,5434 user=app dbname = 'my orders' password='it\'s \\ mine' keepalives=0",
    )
    .and_then(Settings::check)
    .unwrap();
    let (hosts, dbname, _, password) = where_to(&plan);
    assert_eq!(hosts, ["db1:5433", "db2:5434"]);
    assert_eq!((dbname.as_str(), password.as_deref()), ("my orders", Some(r"it's \ mine")));
    assert_eq!(plan.keepalives(), None);
    let one_port = Settings::from_url("host=db1,db2 port=6000 user=app").and_then(Settings::check).unwrap();
    assert_eq!(where_to(&one_port).0, ["db1:6000", "db2:6000"]);
}
