//! Reading ends in settings or in problems, whatever was written; and what is written by us is read back as the same.

use std::time::Duration;

use plimsoll::settings::{Limit, Settings, table};
use proptest::prelude::*;

/// Text that is nearly right more often than pure chance would have it.
fn near() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{0,22} ?(ms|s|min|h|m|off|)",
        "postgres(ql)?://[a-z%:@\\[\\],./?&=0-9#]{0,40}",
        "((host|port|user|password|sslmode|options) ?= ?['\\\\a-z0-9,/]{0,6} ?){0,4}",
        "([a-z]{0,3}[:\\[\\]/,.%0-9]{0,5}){0,4}",
        "([a-z_]{1,12} ?= ?[\"'\\[{a-z0-9.]{0,6}\n?){0,5}",
        "(\"[a-z_\\\\]{0,9}\" ?[:,] ?[\"'\\[{a-z0-9.]{0,6}\n?,?){0,4}",
        "((direct|pooler|service|probe|high-load|[a-z]{0,4})[,+ ]?){0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_a_connection_string(text in near()) {
        let _ = Settings::default().url(text.as_str()).check();
    }

    #[test]
    fn of_any_variable(text in near()) {
        for definition in table() {
            let aliases = definition.also.iter().map(|key| (*key).to_owned());
            for key in aliases.chain([definition.variable()]) {
                let _ = Settings::from_vars([(key, text.clone())]).map(Settings::check);
            }
        }
        for key in ["DATABASE_URL", "PG_HOST", "PG_PORT", "POSTGRES_PASSWORD", "USE_PGBOUNCER", "PLIMSOLL_URL", &format!("PLIMSOLL_{text}")] {
            let _ = Settings::from_vars([(key.to_owned(), text.clone())]).map(Settings::check);
        }
    }

    #[test]
    fn of_a_document(text in near(), name in 0..table().len()) {
        let _ = Settings::from_toml(&text).map(Settings::check);
        let _ = Settings::from_toml(&format!("{} = {text}", table()[name].name)).map(Settings::check);
        let _ = serde_json::from_str::<Settings>(&text).map(Settings::check);
        for text in [text.clone(), format!("{{\"{}\": {text}}}", table()[name].name), format!("{{\"plimsoll\": {{{text}}}}}")] {
            let _ = Settings::from_json(&text).map(Settings::check);
        }
    }

    /// Every limit that can be set can be derived from, checked and compared.
    #[test]
    fn of_any_combination_of_limits(limits in proptest::array::uniform8(proptest::option::of(any::<u64>()))) {
        let limit = |place: usize| limits[place].map(|ms| Duration::from_millis(ms % 100_000_000));
        let mut settings = Settings::default().hosts("localhost").user("app");
        if let Some(time) = limit(0) { settings = settings.lock_timeout(time) }
        if let Some(time) = limit(1) { settings = settings.statement_timeout(time) }
        if let Some(time) = limit(2) { settings = settings.client_statement_timeout(time) }
        if let Some(time) = limit(3) { settings = settings.transaction_timeout(time) }
        if let Some(time) = limit(4) { settings = settings.pool_timeout(time) }
        if let Some(time) = limit(5) { settings = settings.tcp_user_timeout(time) }
        if let Some(time) = limit(6) { settings = settings.max_lifetime(time) }
        if let Some(time) = limit(7) { settings = settings.idle_timeout(time) }
        let said: Vec<Option<Duration>> = (0..8).map(limit).collect();
        if let Ok(plan) = settings.check() {
            let chain = [plan.lock_timeout(), plan.statement_timeout(), plan.client_statement_timeout(), plan.transaction_timeout()];
            prop_assert!(chain.windows(2).all(|pair| pair[0] < pair[1]), "{chain:?}");
            for (place, kept) in chain.into_iter().enumerate() {
                prop_assert!(said[place].is_none() || said[place] == kept, "what was said is never moved");
            }
            prop_assert!(plan.deadline_margin() < plan.statement_timeout().unwrap_or(Duration::MAX));
            prop_assert!(plan.idle_timeout() < plan.max_lifetime() && plan.check_after_idle() < plan.idle_timeout());
            prop_assert!(chain.iter().flatten().all(|time| !time.is_zero() && time.subsec_nanos() % 1_000_000 == 0));
        }
    }

    /// The order is an error only between two that were said: one alone always fits.
    #[test]
    fn one_limit_alone_is_never_an_inversion(ms in 10_u64..86_400_000, which in 0..4) {
        let base = Settings::default().hosts("localhost").user("app");
        let time = Duration::from_millis(ms);
        let checked = match which {
            0 => base.lock_timeout(time),
            1 => base.statement_timeout(time),
            2 => base.client_statement_timeout(time),
            _ => base.transaction_timeout(time),
        };
        let checked = checked.check();
        prop_assert!(checked.is_ok(), "{checked:?}");
    }

    #[test]
    fn a_length_of_time_that_was_written_is_read_back(ms in 1_u64..=86_400_000) {
        let limit = Limit::After(Duration::from_millis(ms));
        let settings = Settings::from_vars([
            ("PLIMSOLL_IDLE_IN_TRANSACTION_SESSION_TIMEOUT".to_owned(), limit.to_string()),
            ("PLIMSOLL_TRANSACTION_TIMEOUT".to_owned(), "off".to_owned()),
            ("PG_HOST".to_owned(), "localhost".to_owned()),
            ("PG_USER".to_owned(), "app".to_owned()),
        ]);
        let plan = settings.and_then(Settings::check).unwrap();
        prop_assert_eq!(Limit::from(plan.idle_in_transaction_session_timeout()), limit);
    }

    /// A list of hosts that was written is read back.
    #[test]
    fn hosts_that_were_written_are_read_back(text in "([a-z]{1,5}|10\\.0\\.0\\.[1-9]|\\[::[1-9]\\]|/run/[a-z]{1,4})(:[1-9][0-9]{0,3})?") {
        let plan = Settings::default().hosts(&text).user("app").check().unwrap();
        let again = Settings::default().hosts(plan.hosts()[0].to_string()).user("app").check().unwrap();
        prop_assert_eq!(plan.hosts(), again.hosts());
    }
}
