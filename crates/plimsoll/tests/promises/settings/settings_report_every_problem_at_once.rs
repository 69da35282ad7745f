//! A program is started once to learn everything that is wrong with its settings, and each problem reads as a
//! sentence that names the setting, what it is, what it may be and what to do.

use std::time::Duration;

use plimsoll::settings::{
    ChannelBinding, Limit, PoolerMode, Profile, Settings, SettingsError, TlsMode, table,
};

fn base() -> Settings {
    Settings::default().hosts("localhost").user("app")
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn from_vars(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_vars(variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

/// The only problem that these settings have.
fn problem(settings: Settings) -> String {
    let error = settings.check().unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].to_string()
}

#[test]
fn everything_wrong_in_an_environment_is_one_numbered_list() {
    let error = from_vars(&[
        ("DATABASE_URL", "postgres://app:pw@db1:0/orders?sslmod=require"),
        ("DATABASE_QUERY_TIMEOUT", "soon"),
        ("PLIMSOLL_LOCK_TIMEOUT", "5"),
        ("PLIMSOLL_SSLMODE", "verify_full"),
        ("PLIMSOLL_POOL_MXA", "10"),
        ("PLIMSOLL_PROFILE", "prod"),
        ("PLIMSOLL_MAX_WAITING", "-1"),
        ("PLIMSOLL_POOL_MIN", "20"),
        ("PLIMSOLL_POOL_MAX", "10"),
        ("PLIMSOLL_CONNECT_LIMIT", "0"),
        ("USE_PGBOUNCER", "maybe"),
    ])
    .unwrap_err();
    let expected = "\
PL-SET-01 11 problems in the settings:
1. the port of host 1 of DATABASE_URL is not readable; allowed is hosts and ports like db1:5432,db2:5433; write one port for all hosts or one for each, and / in a directory as %2F
2. the name of parameter 1 of DATABASE_URL is unknown; allowed is a parameter that is known here; did you mean sslmode?
3. DATABASE_QUERY_TIMEOUT is \"soon\"; allowed is a whole number followed by ms, s, min or h, from 10ms to 24h, or off; write it so
4. USE_PGBOUNCER is \"maybe\"; allowed is true or false; say true behind a transaction pooler, else leave it out
5. PLIMSOLL_PROFILE is \"prod\"; allowed is a list out of service, probe, direct, pooler, development, production, high-load; did you mean production?
6. PLIMSOLL_SSLMODE is \"verify_full\"; allowed is one of disable, prefer, require, verify-ca, verify-full; did you mean verify-full?
7. PLIMSOLL_MAX_WAITING is \"-1\"; allowed is a whole number from 0 to 1000000; write it so
8. PLIMSOLL_LOCK_TIMEOUT is \"5\"; allowed is a whole number followed by ms, s, min or h, from 1ms to 24h, or off; say the unit: 5s if seconds are meant, 5ms if milliseconds
9. PLIMSOLL_POOL_MXA is unknown; allowed is a setting that exists; did you mean PLIMSOLL_POOL_MAX?
10. connect_limit is 0; allowed is a whole number from 1 to 1000; set it within that
11. pool_min is 20; allowed is at most pool_max, which is 10; lower pool_min or raise pool_max";
    assert_eq!(error.to_string(), expected);
    assert_eq!(format!("{error:?}"), expected, "what `main` prints is for people too");
    assert_eq!(error.code(), "PL-SET-01");
}

#[test]
fn what_is_wrong_in_the_file_is_told_with_its_line_and_together_with_the_rest() {
    let error = Settings::from_toml(
        "user = 'app'\n\npool_mx = 3\nlock_timeout = 5\nstatement_timeout = {}\npool_max = 0\n",
    )
    .unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(error.problems().len(), 4, "{error}");
    for key in [
        "pool_mx (TOML, line 3)",
        "lock_timeout (TOML, line 4)",
        "statement_timeout (TOML, line 5)",
        "pool_max",
    ] {
        assert!(keys.contains(&key), "{key}: {error}");
    }
    let error = Settings::from_toml("user = 'app'\npool_max = = 3\n").unwrap_err();
    assert_eq!(error.problems()[0].key, "the document (TOML, line 2)");
    let error = Settings::from_file("/nowhere/plimsoll.toml").unwrap_err();
    assert!(error.to_string().contains("the file /nowhere/plimsoll.toml is not readable"), "{error}");
}

#[test]
fn what_is_wrong_in_a_json_file_is_told_in_the_same_words_with_the_line_of_its_key() {
    let text = r#"{
  "user": "app",
  "pool_mx": 3,
  "lock_timeout":
      5,
  "statement_timeout": {"s": 30},
  "pool_max": 0, "pool_min": 2.0,
  "user": "other",
  "profile": "prod"
}"#;
    let error = Settings::from_json(text).unwrap_err();
    let expected = "\
PL-SET-01 7 problems in the settings:
1. pool_mx (JSON, line 3) is unknown; allowed is a setting that exists; did you mean pool_max?
2. lock_timeout (JSON, line 4) is \"5\"; allowed is a whole number followed by ms, s, min or h, from 1ms to 24h, or off; say the unit: 5s if seconds are meant, 5ms if milliseconds
3. statement_timeout (JSON, line 6) is a group of values; allowed is a whole number followed by ms, s, min or h, from 10ms to 24h, or off; give it one value
4. pool_min (JSON, line 7) is \"2.0\"; allowed is a whole number from 0 to 10000; write it so
5. profile (JSON, line 9) is \"prod\"; allowed is a list out of service, probe, direct, pooler, development, production, high-load; did you mean production?
6. user (JSON, line 8) is said before; allowed is one value for each key; leave one of the two out
7. pool_max is 0; allowed is a whole number from 1 to 10000; set it within that";
    assert_eq!(error.to_string(), expected);

    let inside = format!("{{\n\"plimsoll\":\n{text}\n}}");
    let error = Settings::from_json(&inside).unwrap_err();
    assert!(error.to_string().contains("1. pool_mx (JSON, line 5) is unknown"), "{error}");
}

#[test]
fn a_document_that_is_no_json_is_told_with_its_line() {
    for (text, key, value) in [
        ("{\n\"user\": \"app\",\n}", "the document (JSON, line 3)", "not JSON"),
        ("{\n\"user\": \"app\"\n", "the document (JSON, line 3)", "not JSON"),
        ("", "the document (JSON, line 1)", "not JSON"),
        ("user = 'app'", "the document (JSON, line 1)", "not JSON"),
        ("{}\n{}", "the document (JSON, line 2)", "not JSON"),
        ("{\"user\":\n\"\\ud800\"}", "the document (JSON, line 1)", "not JSON"),
        ("[1]", "the document (JSON, line 1)", "no JSON object"),
        ("\"postgres://app@db1/orders\"", "the document (JSON, line 1)", "no JSON object"),
    ] {
        let error = Settings::from_json(text).unwrap_err();
        let [problem] = error.problems() else { panic!("{text}: {error}") };
        assert_eq!((problem.key.as_str(), problem.value.as_str()), (key, value), "{text}");
    }
    let error = Settings::from_json("{\"plimsoll\": {\"pool_max\": 3},\n\"plimsoll\": {\"pool_max\": 4}}")
        .unwrap_err();
    assert_eq!(error.problems()[0].key, "plimsoll (JSON, line 2)", "{error}");
    let deep = format!("{{\"pool_max\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(Settings::from_json(&deep).is_err(), "however deep it goes");
    let error = Settings::from_file("/nowhere/base.json").unwrap_err();
    assert!(error.to_string().contains("the file /nowhere/base.json is not readable"), "{error}");
}

#[test]
fn what_is_missing_is_told_when_nothing_more_can_be_said() {
    assert!(from_vars(&[]).is_ok(), "the rest may still be said in code");
    let error = Settings::default().check().unwrap_err();
    let keys: Vec<&str> = error.problems().iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["hosts", "user"]);
    assert!(error.to_string().contains("set DATABASE_URL"));
    let error = Settings::default().url("postgres://app:p/w@db1/orders").check().unwrap_err();
    assert_eq!(error.problems().len(), 1, "what could not be read is not missing as well: {error}");
}

#[test]
fn an_inversion_names_both_settings_and_both_values() {
    let limits = |lock, statement, client, transaction| {
        base()
            .lock_timeout(lock)
            .statement_timeout(statement)
            .client_statement_timeout(client)
            .transaction_timeout(transaction)
    };
    assert!(limits(secs(5), secs(30), secs(32), secs(60)).check().is_ok());
    for (settings, low, high) in [
        (
            limits(secs(30), secs(30), secs(32), secs(60)),
            "lock_timeout is 30s",
            "statement_timeout, which is 30s",
        ),
        (
            limits(secs(5), secs(30), secs(30), secs(60)),
            "statement_timeout is 30s",
            "client_statement_timeout, which is 30s",
        ),
        (
            limits(secs(5), secs(30), secs(61), secs(60)),
            "client_statement_timeout is 61s",
            "transaction_timeout, which is 60s",
        ),
        (
            base().lock_timeout(secs(9)).transaction_timeout(secs(8)),
            "lock_timeout is 9s",
            "transaction_timeout, which is 8s",
        ),
        (
            base().tcp_user_timeout(secs(10)).pool_timeout(secs(3)),
            "tcp_user_timeout is 10s",
            "pool_timeout, which is 3s",
        ),
        (
            base().idle_timeout(secs(600)).max_lifetime(secs(300)),
            "idle_timeout is 10min",
            "max_lifetime, which is 5min",
        ),
        (
            base().check_after_idle(secs(60)).idle_timeout(secs(30)),
            "check_after_idle is 60s",
            "idle_timeout, which is 30s",
        ),
        (
            base().deadline_margin(secs(2)).statement_timeout(secs(2)),
            "deadline_margin is 2s",
            "statement_timeout, which is 2s",
        ),
        (
            base().client_connection_check_interval(secs(40)).statement_timeout(secs(30)),
            "client_connection_check_interval is 40s",
            "statement_timeout, which is 30s",
        ),
        (
            base().idle_in_transaction_session_timeout(secs(90)).transaction_timeout(secs(60)),
            "idle_in_transaction_session_timeout is 90s",
            "transaction_timeout, which is 60s",
        ),
        (base().pool_min(9).pool_max(8), "pool_min is 9", "pool_max, which is 8"),
    ] {
        let problem = problem(settings);
        assert!(problem.starts_with(low) && problem.contains(high), "{problem}");
    }
}

#[test]
fn a_limit_that_is_off_is_in_nobodys_way() {
    assert!(base().statement_timeout(Limit::Off).client_statement_timeout(secs(10)).check().is_ok());
    assert!(
        base().lock_timeout(Limit::Off).tcp_user_timeout(Limit::Off).max_lifetime(Limit::Off).check().is_ok()
    );
}

#[test]
fn a_bare_number_is_refused_for_every_length_of_time_outside_the_older_names() {
    use plimsoll::settings::Kind;
    let times = table().iter().filter(|definition| matches!(definition.kind, Kind::Duration | Kind::Limit));
    for definition in times {
        let error = from_vars(&[(&definition.variable(), "30")]).unwrap_err();
        assert!(error.to_string().contains("30s if seconds are meant"), "{error}");
        let error = Settings::from_toml(&format!("{} = 30", definition.name)).unwrap_err();
        assert!(error.to_string().contains("30s if seconds are meant"), "{error}");
        for older in definition.also {
            assert!(from_vars(&[(older, "20")]).is_ok(), "{older}");
        }
    }
}

#[test]
fn lengths_of_time_are_read_in_every_unit_and_in_no_other_way() {
    let lock = |text: &str| {
        let settings = from_vars(&[("PG_HOST", "h"), ("PG_USER", "u"), ("PLIMSOLL_LOCK_TIMEOUT", text)]);
        settings.and_then(Settings::check).map(|plan| plan.lock_timeout())
    };
    for (text, expected) in [
        ("250ms", 250),
        ("7s", 7_000),
        ("2min", 120_000),
        ("1h", 3_600_000),
        (" 30 s ", 30_000),
        ("01s", 1_000),
    ] {
        assert_eq!(lock(text).unwrap(), Some(Duration::from_millis(expected)), "{text}");
    }
    assert_eq!(lock("off").unwrap(), None);
    for text in
        ["s", "-1s", "1.5s", "1 s s", "1  s", "5m", "5S", "1d", "never", "0", "99999999999999999999s", "٣s"]
    {
        assert!(lock(text).is_err(), "{text}");
    }
    let error = lock("0s").unwrap_err();
    assert!(error.to_string().contains("say off if there is to be no limit"), "{error}");
}

#[test]
fn values_set_in_code_are_held_against_their_ranges_too() {
    assert!(
        problem(base().pool_max(0)).starts_with("pool_max is 0; allowed is a whole number from 1 to 10000")
    );
    assert!(problem(base().lock_timeout(Duration::ZERO)).contains("say off"));
    assert!(
        problem(base().pool_timeout(Duration::from_micros(20_500))).starts_with("pool_timeout is 20.5ms")
    );
    assert!(problem(base().keepalives_idle(Duration::from_millis(1_500))).contains("in whole seconds"));
    assert!(problem(base().lifetime_jitter(f64::NAN)).starts_with("lifetime_jitter is NaN"));
    assert!(problem(base().application_name("a\0b")).starts_with("application_name is \"a\\0b\""));
    assert!(problem(base().server_version(13)).contains("from 14 to 99"));
    assert!(problem(base().password("")).starts_with("password is ***"));
    assert!(problem(base().hosts("db1,,db2")).starts_with("hosts is \"db1,,db2\""));
    for hosts in ["", ",", "db1:0", "db1:65536", "[::1", "[db1]:5432", "a b", "db1:5432:1", "db?"] {
        assert!(base().hosts(hosts).check().is_err(), "{hosts}");
    }
}

#[test]
fn profiles_that_answer_the_same_question_contradict_each_other() {
    for (one, other) in [
        (Profile::Service, Profile::Probe),
        (Profile::Direct, Profile::Pooler),
        (Profile::Development, Profile::Production),
    ] {
        assert!(
            problem(base().profile(one).profile(other)).starts_with(&format!("profile is {one} and {other}"))
        );
    }
    assert!(base().profile(Profile::Service).profile(Profile::Service).check().is_ok());
}

#[test]
fn encryption_that_would_not_protect_is_refused() {
    let beyond = || Settings::default().hosts("db1").user("app");
    for settings in [
        beyond().sslmode(TlsMode::Disable).sslrootcert("ca.pem"),
        beyond().sslmode(TlsMode::Prefer).sslrootcert("ca.pem"),
        beyond().sslmode(TlsMode::Require).sslrootcert("system"),
        beyond().sslmode(TlsMode::VerifyCa),
        beyond().sslmode(TlsMode::VerifyCa).sslrootcert("system"),
        beyond().sslmode(TlsMode::Disable).channel_binding(ChannelBinding::Require),
    ] {
        assert!(problem(settings).starts_with("sslmode is "));
    }
    let verified = beyond().sslmode(TlsMode::Require).sslrootcert("ca.pem").check().unwrap();
    assert_eq!(
        verified.tls(),
        TlsMode::Require,
        "require beside a file of roots verifies, as it does for libpq"
    );
}

#[test]
fn a_limit_is_not_said_as_a_startup_option_and_nothing_is_behind_a_transaction_pooler() {
    for options in ["-c statement_timeout=5s", "-cstatement_timeout=5s", "--statement-timeout=5s"] {
        let problem = problem(base().options(options));
        assert!(problem.contains("say the setting statement_timeout instead"), "{problem}");
    }
    assert!(base().options("-c search_path=app -c work_mem=64MB").check().is_ok());
    let behind = base().options("-c search_path=app").pooler(PoolerMode::Transaction);
    assert!(problem(behind).contains("which refuses the connection for it"));
}

#[test]
fn a_connection_string_is_refused_where_it_would_be_misunderstood() {
    let part = |url: &str| {
        let error = Settings::default().url(url).check().unwrap_err();
        error.problems()[0].to_string()
    };
    for (url, start) in [
        ("mysql://app@db1/orders", "the scheme of url"),
        ("postgresql+asyncpg://app@db1/orders", "the scheme of url"),
        ("postgres://app:a/b@db1/orders", "the user, the password or a parameter of url"),
        ("postgres://app:a?b@db1/orders", "the user, the password or a parameter of url"),
        ("postgres://app:a#b@db1/orders", "the user, the password or a parameter of url"),
        ("postgres://app:a%2@db1/orders", "the password of url"),
        ("postgres://app:%ff@db1/orders", "the password of url"),
        ("postgres://app@db1/a/b", "the database of url"),
        ("postgres://app@db1:54x/orders", "the port of host 1 of url"),
        ("postgres://app@db1,/orders", "host 2 of url"),
        ("postgres://app@db1/orders?sslmode", "a parameter of url"),
        ("postgres://app@db1/orders?sslmode=allow", "the parameter sslmode of url is \"allow\""),
        ("postgres://app@db1/orders?sslcert=x", "the parameter sslcert of url is unknown"),
        (
            "postgres://app@db1/orders?connect_timeout=soon",
            "the parameter connect_timeout of url is \"soon\"",
        ),
        ("host=db1,db2,db3 port=1,2 user=app", "the list of ports of url"),
        ("host=db1 user=app password=my secret", "a key=value pair of url"),
        ("host=db1 user='app", "a key=value pair of url"),
        ("nonsense", "a key=value pair of url"),
    ] {
        let problem = part(url);
        assert!(problem.starts_with(start), "{url}: {problem}");
    }
}
