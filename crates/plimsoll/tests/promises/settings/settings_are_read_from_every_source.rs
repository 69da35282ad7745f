//! The environment in its three branches, connection strings, files, serde and code: each says the same settings, and
//! it is fixed which of them counts.

use super::where_to;
use std::process::Command;
use std::time::Duration;

use plimsoll::secret::{Password, Secret};
use plimsoll::settings::{
    Address, ChannelBinding, Enforcement, OnMissingGuardrail, Plan, PoolerMode, Profile, ReplicaFallback,
    Settings, SettingsError, SlowParameters, TargetSessionAttrs, TlsMode, TlsRoots, table,
};

fn from_vars(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_vars(variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

fn plan(variables: &[(&str, &str)]) -> Plan {
    from_vars(variables).and_then(Settings::check).unwrap()
}

#[test]
fn the_first_branch_is_one_url() {
    let plan = plan(&[
        ("DATABASE_URL", "postgres://app:s%2Fcr%C3%A9t@db1:6000/orders"),
        ("PG_HOST", "elsewhere"),
        ("PG_PASS", "other"),
        ("POSTGRES_USER", "postgres"),
    ]);
    let expected =
        (vec!["db1:6000".to_owned()], "orders".to_owned(), "app".to_owned(), Some("s/crét".to_owned()));
    assert_eq!(where_to(&plan), expected);
}

#[test]
fn the_second_branch_is_pg() {
    let plan = plan(&[
        ("PG_HOST", "db2"),
        ("PG_PORT", "5433"),
        ("PG_DB", "orders"),
        ("PG_USER", "app"),
        ("PG_PASS", "hunter2"),
        ("POSTGRES_HOST", "elsewhere"),
        ("POSTGRES_PASSWORD", "other"),
    ]);
    let expected =
        (vec!["db2:5433".to_owned()], "orders".to_owned(), "app".to_owned(), Some("hunter2".to_owned()));
    assert_eq!(where_to(&plan), expected);
}

#[test]
fn the_third_branch_is_postgres_under_both_names_of_the_password() {
    for name in ["POSTGRES_PASSWORD", "POSTGRES_PASS"] {
        let plan = plan(&[
            ("DATABASE_URL", ""),
            ("PG_HOST", ""),
            ("POSTGRES_HOST", "db3"),
            ("POSTGRES_DB", "orders"),
            ("POSTGRES_USER", "app"),
            (name, "hunter2"),
        ]);
        let expected =
            (vec!["db3:5432".to_owned()], "orders".to_owned(), "app".to_owned(), Some("hunter2".to_owned()));
        assert_eq!(where_to(&plan), expected);
    }
}

#[test]
fn branches_are_not_mixed() {
    let plan = plan(&[("PG_HOST", "db2"), ("PG_USER", "app"), ("POSTGRES_PASSWORD", "of somebody else")]);
    assert!(plan.password().is_none());
    assert_eq!(plan.dbname(), "app", "the database is named as the user where nobody names it");
}

#[test]
fn a_variable_of_our_own_is_stronger_than_a_branch() {
    let plan = plan(&[
        ("DATABASE_URL", "postgres://app@db1/orders?sslmode=require"),
        ("PLIMSOLL_SSLMODE", "verify-full"),
        ("PLIMSOLL_DBNAME", "archive"),
    ]);
    assert_eq!((plan.tls(), plan.dbname()), (TlsMode::VerifyFull, "archive"));
}

#[test]
fn older_names_mean_seconds_and_ours_are_stronger() {
    let of = |more: &[(&str, &str)]| {
        let mut variables = vec![("PG_HOST", "localhost"), ("PG_USER", "app")];
        variables.extend(more);
        let plan = plan(&variables);
        (plan.statement_timeout(), plan.connect_timeout(), plan.pool_timeout())
    };
    let secs = Duration::from_secs;
    assert_eq!(of(&[]), (Some(secs(30)), secs(10), secs(30)), "defaults");
    let all = [
        ("DATABASE_QUERY_TIMEOUT", "20"),
        ("DATABASE_CONNECT_TIMEOUT", "5"),
        ("DATABASE_POOL_TIMEOUT", "1500ms"),
    ];
    assert_eq!(of(&all), (Some(secs(20)), secs(5), Duration::from_millis(1500)));
    let both = [("DATABASE_QUERY_TIMEOUT", "20"), ("PLIMSOLL_STATEMENT_TIMEOUT", "25s")];
    assert_eq!(of(&both).0, Some(secs(25)));
}

#[test]
fn use_pgbouncer_means_a_transaction_pooler() {
    let mode = |value| plan(&[("PG_HOST", "h"), ("PG_USER", "u"), ("USE_PGBOUNCER", value)]).pooler();
    assert_eq!(mode("true"), PoolerMode::Transaction);
    assert_eq!(mode("1"), PoolerMode::Transaction);
    assert_eq!(mode("false"), PoolerMode::Auto, "not said: it is still found out");
    let told =
        [("PG_HOST", "h"), ("PG_USER", "u"), ("USE_PGBOUNCER", "true"), ("PLIMSOLL_POOLER", "session")];
    assert_eq!(plan(&told).pooler(), PoolerMode::Session);
}

/// A value of each setting that is not its default, as the environment writes it.
const EACH: &[(&str, &str)] = &[
    ("profile", "probe,high-load"),
    ("hosts", "db1,db2:5433,[::1]:5434,/run/postgresql"),
    ("port", "6000"),
    ("dbname", "orders"),
    ("user", "app"),
    ("password", "hunter2"),
    ("passfile", "/etc/logins"),
    ("sslmode", "verify-ca"),
    ("sslrootcert", "/etc/roots.pem"),
    ("channel_binding", "require"),
    ("target_session_attrs", "read-write"),
    ("application_name", "orders-api"),
    ("session_names", "true"),
    ("options", "-c search_path=app"),
    ("keepalives_idle", "off"),
    ("keepalives_interval", "7s"),
    ("keepalives_count", "4"),
    ("tcp_user_timeout", "9s"),
    ("server_version", "17"),
    ("max_message", "32"),
    ("pool_min", "3"),
    ("pool_max", "12"),
    ("max_overflow", "5"),
    ("max_waiting", "77"),
    ("priority_reserve", "2"),
    ("max_per_name", "6"),
    ("connection_budget", "off"),
    ("admission", "dark"),
    ("pool_timeout", "11s"),
    ("connect_timeout", "4s"),
    ("idle_timeout", "5min"),
    ("max_lifetime", "1h"),
    ("lifetime_jitter", "0.2"),
    ("check_after_idle", "3s"),
    ("connect_limit", "2"),
    ("reclaim_timeout", "750ms"),
    ("commit_grace", "2500ms"),
    ("cancel_limit", "3"),
    ("close_timeout", "20s"),
    ("leak_after", "off"),
    ("leak_reclaim_after", "20min"),
    ("deadlock_after", "2s"),
    ("replica_hosts", "db3,db4:5433"),
    ("max_replica_lag", "2s"),
    ("replica_check", "500ms"),
    ("replica_wait", "20ms"),
    ("replica_fallback", "refuse"),
    ("replica_fallback_share", "0.5"),
    ("breaker", "dark"),
    ("breaker_after", "3s"),
    ("heartbeat", "1s"),
    ("lock_timeout", "4s"),
    ("statement_timeout", "20s"),
    ("client_statement_timeout", "24s"),
    ("transaction_timeout", "90s"),
    ("idle_in_transaction_session_timeout", "15s"),
    ("client_connection_check_interval", "500ms"),
    ("deadline_margin", "50ms"),
    ("deadline_floor", "3ms"),
    ("on_missing_guardrail", "degraded"),
    ("pooler", "session"),
    ("retry_share", "0.1"),
    ("retry_floor", "5"),
    ("statement_cache", "10"),
    ("statement_expiry", "90s"),
    ("type_cache", "20"),
    ("listen_url", "postgres://db3:5432"),
    ("listen_keepalive", "20s"),
    ("listen_buffer", "50"),
    ("monitoring", "false"),
    ("monitor_window", "50"),
    ("monitor_slow_after", "700ms"),
    ("pool_name", "orders"),
    ("write_audit", "on"),
    ("monitor_counters", "/var/lib/app/totals.json"),
    ("lock_report_after", "700ms"),
    ("slow_log_after", "250ms"),
    ("slow_log_parameters", "none"),
    ("slow_log_plan", "true"),
];

/// The settings that [`EACH`] names, said in code.
fn in_code() -> Settings {
    let secs = Duration::from_secs;
    let ms = Duration::from_millis;
    Settings::default()
        .profile(Profile::Probe)
        .profile(Profile::HighLoad)
        .hosts("db1,db2:5433,[::1]:5434,/run/postgresql")
        .port(6000)
        .dbname("orders")
        .user("app")
        .password("hunter2")
        .passfile("/etc/logins")
        .sslmode(TlsMode::VerifyCa)
        .sslrootcert("/etc/roots.pem")
        .channel_binding(ChannelBinding::Require)
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .application_name("orders-api")
        .session_names(true)
        .options("-c search_path=app")
        .keepalives_idle(None)
        .keepalives_interval(secs(7))
        .keepalives_count(4)
        .tcp_user_timeout(secs(9))
        .server_version(17)
        .max_message(32)
        .pool_min(3)
        .pool_max(12)
        .max_overflow(5)
        .max_waiting(77)
        .priority_reserve(2)
        .max_per_name(6)
        .connection_budget(Enforcement::Off)
        .admission(Enforcement::Dark)
        .pool_timeout(secs(11))
        .connect_timeout(secs(4))
        .idle_timeout(secs(300))
        .max_lifetime(secs(3600))
        .lifetime_jitter(0.2)
        .check_after_idle(secs(3))
        .connect_limit(2)
        .reclaim_timeout(ms(750))
        .commit_grace(ms(2_500))
        .cancel_limit(3)
        .close_timeout(secs(20))
        .leak_after(None)
        .leak_reclaim_after(secs(1_200))
        .deadlock_after(secs(2))
        .replica_hosts("db3,db4:5433")
        .max_replica_lag(secs(2))
        .replica_check(ms(500))
        .replica_wait(ms(20))
        .replica_fallback(ReplicaFallback::Refuse)
        .replica_fallback_share(0.5)
        .breaker(Enforcement::Dark)
        .breaker_after(secs(3))
        .heartbeat(secs(1))
        .deadline_floor(Duration::from_millis(3))
        .lock_timeout(secs(4))
        .statement_timeout(secs(20))
        .client_statement_timeout(secs(24))
        .transaction_timeout(secs(90))
        .idle_in_transaction_session_timeout(secs(15))
        .client_connection_check_interval(ms(500))
        .deadline_margin(ms(50))
        .on_missing_guardrail(OnMissingGuardrail::Degraded)
        .pooler(PoolerMode::Session)
        .retry_share(0.1)
        .retry_floor(5)
        .statement_cache(10)
        .statement_expiry(Duration::from_secs(90))
        .type_cache(20)
        .listen_url("postgres://db3:5432")
        .listen_keepalive(Duration::from_secs(20))
        .listen_buffer(50)
        .monitoring(false)
        .monitor_window(50)
        .monitor_slow_after(Duration::from_millis(700))
        .pool_name("orders")
        .write_audit(Enforcement::On)
        .monitor_counters("/var/lib/app/totals.json")
        .lock_report_after(Duration::from_millis(700))
        .slow_log_after(Duration::from_millis(250))
        .slow_log_parameters(SlowParameters::None)
        .slow_log_plan(true)
}

#[test]
fn every_setting_is_said_the_same_in_the_environment_in_toml_in_json_and_in_code() {
    let names: Vec<&str> = table().iter().map(|definition| definition.name).collect();
    assert_eq!(
        EACH.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        names,
        "this test names every setting"
    );

    let variables =
        EACH.iter().map(|(name, value)| (format!("PLIMSOLL_{}", name.to_uppercase()), (*value).to_owned()));
    let environment = Settings::from_vars(variables.clone()).unwrap();
    let asked: std::collections::HashMap<String, String> = variables.collect();
    let answered = Settings::from_env_with(|key| asked.get(key).cloned()).unwrap();

    let bare = |value: &str| value.parse::<f64>().is_ok() || value == "true";
    let quoted = |value: &str| if bare(value) { value.to_owned() } else { format!("\"{value}\"") };
    let toml: String = EACH.iter().map(|(name, value)| format!("{name} = {}\n", quoted(value))).collect();
    let file = Settings::from_toml(&toml).unwrap();
    let members: Vec<String> =
        EACH.iter().map(|(name, value)| format!("\"{name}\": {}", quoted(value))).collect();
    let document = format!("{{{}}}", members.join(","));
    let json = Settings::from_json(&document).unwrap();
    let inside_another: Settings = serde_json::from_str(&document).unwrap();

    let code = format!("{:?}", in_code());
    for other in [environment, answered, file, json, inside_another] {
        assert_eq!(format!("{other:?}"), code);
        assert_eq!(format!("{:?}", other.check().unwrap()), format!("{:?}", in_code().check().unwrap()));
    }
    let plan = in_code().check().unwrap();
    assert_eq!((plan.pool_min(), plan.pool_max(), plan.pool_total()), (3, 12, 17));
    assert_eq!(plan.tls_roots(), &TlsRoots::File("/etc/roots.pem".into()));
    assert_eq!((plan.keepalives(), plan.leak_after()), (None, None));
    let hosts: Vec<String> = plan.hosts().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["db1:6000", "db2:5433", "[::1]:5434", "/run/postgresql:6000"]);
    assert_eq!(plan.hosts()[3].address(), &Address::Unix("/run/postgresql".into()));
    assert_eq!(plan.hosts()[3].socket_file(), Some("/run/postgresql/.s.PGSQL.6000".into()));
}

#[test]
fn encryption_is_decided_by_distance() {
    let mode = |hosts: &str| {
        let plan = Settings::default().hosts(hosts).user("app").check().unwrap();
        (plan.tls(), plan.tls_roots().clone())
    };
    for local in ["localhost", "127.0.0.1", "127.3.2.1:5433", "[::1]:5432", "/run/postgresql", "db.localhost"]
    {
        assert_eq!(mode(local).0, TlsMode::Prefer, "{local}");
    }
    for beyond in ["db1", "10.0.0.7", "localhost,db1", "localhost.example.com", "[fe80::1%eth0]:5432"] {
        assert_eq!(mode(beyond), (TlsMode::VerifyFull, TlsRoots::System), "{beyond}");
    }
    let own = Settings::default().hosts("localhost").user("app").sslrootcert("ca.pem").check().unwrap();
    assert_eq!(own.tls(), TlsMode::VerifyFull, "a certificate that was given is looked at");
}

#[test]
fn a_file_may_keep_the_settings_in_a_table_beside_other_things() {
    let text = "title = 'orders'\n[plimsoll]\nurl = 'postgres://app@localhost/a'\ndbname = 'b'\nprofile = ['service', 'development']\n";
    let plan = Settings::from_toml(text).and_then(Settings::check).unwrap();
    assert_eq!((plan.dbname(), plan.pool_max(), plan.max_overflow()), ("b", 10, 0));
    assert_eq!(plan.statement_timeout(), Some(Duration::from_secs(10)));
}

#[test]
fn a_program_may_keep_the_settings_in_its_own_configuration() {
    #[derive(serde::Deserialize)]
    struct Config {
        database: Settings,
    }
    let config: Config = serde_json::from_str(
        r#"{"database": {"hosts": ["db1", "db2:6000"], "user": "app", "pool_max": 7, "port": null}}"#,
    )
    .unwrap();
    let plan = config.database.check().unwrap();
    assert_eq!((plan.hosts().len(), plan.pool_max()), (2, 7));
    let wrong: Config =
        serde_json::from_str(r#"{"database": {"hosts": "db1", "user": "app", "pool_mx": 7}}"#).unwrap();
    assert!(wrong.database.check().unwrap_err().to_string().contains("did you mean pool_max?"));
}

#[test]
fn a_file_that_is_called_json_is_read_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("base.json");
    let text = r#"{
        "title": "orders",
        "plimsoll": {
            "url": "postgres://app@localhost/a", "dbname": "b",
            "profile": ["service", "development"],
            "pool_max": 7, "breaker": "off", "user": null, "retry_share": 0.5
        }
    }"#;
    for text in [text.to_owned(), format!("\u{feff}{text}"), text.replace('\n', "\r\n")] {
        std::fs::write(&file, text).unwrap();
        let plan = Settings::from_file(&file).and_then(Settings::check).unwrap();
        assert_eq!((plan.dbname(), plan.user(), plan.pool_max(), plan.max_overflow()), ("b", "app", 7, 0));
        assert_eq!(plan.statement_timeout(), Some(Duration::from_secs(10)));
    }
    let shouted = directory.path().join("BASE.JSON");
    std::fs::copy(&file, &shouted).unwrap();
    assert!(Settings::from_file(&shouted).is_ok());
    // Its settings may stand at its top, as in TOML.
    std::fs::write(&file, r#"{"hosts": ["db1", "db2:6000"], "user": "app"}"#).unwrap();
    assert_eq!(Settings::from_file(&file).and_then(Settings::check).unwrap().hosts().len(), 2);
    // And the same text under another name is no TOML.
    std::fs::copy(&file, directory.path().join("base.toml")).unwrap();
    assert!(Settings::from_file(directory.path().join("base.toml")).is_err());
}

/// The next test by its whole name.
const CHILD: &str = "settings::settings_are_read_from_every_source::child_prints_what_its_environment_says";

/// Run only by the next test, in a process whose environment that one has chosen.
#[test]
#[ignore = "run by another test"]
fn child_prints_what_its_environment_says() {
    let file = std::env::var_os("TEST_FILE").map(std::path::PathBuf::from);
    let settings = match &file {
        Some(file) => Settings::load(Some(file)),
        None => Settings::from_env(),
    };
    match settings.and_then(Settings::check) {
        Ok(plan) => println!("{} {} {} {}.", plan.dbname(), plan.user(), plan.pool_max(), plan.max_waiting()),
        Err(error) => println!("{error}"),
    }
}

fn child(variables: &[(&str, &std::ffi::OsStr)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env_clear().envs(variables.iter().copied()).args(["--ignored", "--exact", "--nocapture", CHILD]);
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

#[test]
fn the_environment_is_stronger_than_the_file_and_the_file_than_the_profile() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("plimsoll.toml");
    std::fs::write(
        &file,
        "profile = 'probe'\nhosts = 'localhost'\nuser = 'file'\ndbname = 'file'\nmax_waiting = 5\n",
    )
    .unwrap();
    let shown = child(&[("TEST_FILE", file.as_ref()), ("PLIMSOLL_USER", "environment".as_ref())]);
    assert!(shown.contains("file environment 5 5."), "{shown}");
    let shown = child(&[
        ("TEST_FILE", file.as_ref()),
        ("PLIMSOLL_PROFILE", "service".as_ref()),
        ("PLIMSOLL_MAX_WAITING", "6".as_ref()),
    ]);
    assert!(shown.contains("file file 10 6."), "{shown}");

    let file = directory.path().join("base.json");
    std::fs::write(&file, r#"{"hosts": "localhost", "user": "file", "dbname": "file", "pool_max": 8}"#)
        .unwrap();
    let shown = child(&[("TEST_FILE", file.as_ref()), ("PLIMSOLL_USER", "environment".as_ref())]);
    assert!(shown.contains("file environment 8 1000."), "{shown}");
}

#[cfg(unix)]
#[test]
fn the_environment_of_a_process_is_searched_for_what_nobody_knows() {
    use std::os::unix::ffi::OsStrExt;
    let shown = child(&[
        ("DATABASE_URL", "postgres://app@localhost/orders".as_ref()),
        ("PLIMSOLL_BLESS", "1".as_ref()),
        ("PLIMSOLL_PG_BIN", "/usr/lib".as_ref()),
        ("PLIMSOLL_PG_VERSION", "17".as_ref()),
        ("PLIMSOLL_PGBOUNCER", "/usr/sbin/pgbouncer".as_ref()),
        ("PLIMSOLL_TEST_SERVER_DIR", "/tmp".as_ref()),
        ("UNRELATED", std::ffi::OsStr::from_bytes(b"\xff")),
    ]);
    assert!(shown.contains("orders app 10 1000."), "{shown}");
    let shown =
        child(&[("PLIMSOLL_POOLMAX", "5".as_ref()), ("PLIMSOLL_USER", std::ffi::OsStr::from_bytes(b"\xff"))]);
    assert!(shown.contains("PLIMSOLL_POOLMAX is unknown"), "{shown}");
    assert!(shown.contains("did you mean PLIMSOLL_POOL_MAX?"), "{shown}");
    assert!(shown.contains("PLIMSOLL_USER is not UTF-8"), "{shown}");
}

#[test]
fn a_password_may_be_asked_for_at_each_connect() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let asked =
        || async { Ok::<_, std::io::Error>(format!("token {}", ASKED.fetch_add(1, Ordering::SeqCst))) };
    let settings = Settings::default().hosts("localhost").user("app").password(Password::asked_of(asked));
    let plan = settings.check().unwrap();
    let Some(Password::Provider(provider)) = plan.password() else { panic!("it is not a fixed one") };
    for expected in ["token 0", "token 1"] {
        let mut answer = provider.password();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(answer) = answer.as_mut().poll(&mut context) else {
            panic!("it is ready")
        };
        assert_eq!(answer.unwrap(), Secret::from(expected));
    }
}
