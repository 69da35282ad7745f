//! Values in which every limit lies inside the one around it.
//!
//! The outermost decides, since it says how long somebody waits. So the rules are followed from the outside in: a limit that is
//! too long for one around it becomes a fifth shorter than that one, and a limit that is off and needed takes its usual value if
//! that fits. Limits that fit stay as they are.

use super::limit::{At, Keeper, Limit};
use super::order::{missing, rules};
use crate::checks::subject::quoted;
use serde::Serialize;
use std::time::Duration;

/// What a limit has to become.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Correction {
    /// The limit as it is.
    pub limit: Limit,
    /// What it ought to be, in milliseconds.
    #[serde(rename = "to_ms", serialize_with = "as_millis")]
    pub to: Duration,
}

fn as_millis<S: serde::Serializer>(to: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    u64::try_from(to.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
}

const USUAL: [(&str, u64); 5] = [
    ("statement_timeout", 30_000),
    ("lock_timeout", 5_000),
    ("idle_in_transaction_session_timeout", 30_000),
    ("client_connection_check_interval", 2_000),
    ("query_wait_timeout", 10_000),
];

/// What has to change for every limit to lie inside the one around it, in the order of the limits.
#[must_use]
pub fn corrected(limits: &[Limit], deadlines_travel: bool) -> Vec<Correction> {
    let mut values: Vec<Option<Duration>> = limits.iter().map(|limit| limit.after).collect();
    let off = missing(limits);
    for (value, limit) in values.iter_mut().zip(limits) {
        if off.iter().any(|off| off.limit == *limit) {
            *value =
                USUAL.iter().find(|(name, _)| *name == limit.name).map(|(_, ms)| Duration::from_millis(*ms));
        }
    }
    // Each round shortens what is too long for something around it. A chain is at most as long as there are limits.
    for _ in limits {
        let now = values.clone();
        for rule in rules(deadlines_travel) {
            let around = limits.iter().zip(&now).filter(|(limit, _)| limit.name == rule.outer);
            let Some(around) = around.filter_map(|(_, value)| *value).min() else { continue };
            for (value, _) in values.iter_mut().zip(limits).filter(|(_, limit)| limit.name == rule.inner) {
                if value.is_some_and(|value| value >= around) {
                    *value = Some(a_fifth_less(around).min(value.unwrap_or(around)));
                }
            }
        }
        if now == values {
            break;
        }
    }
    let changed = limits.iter().zip(values).filter(|(limit, value)| limit.after != *value);
    changed.filter_map(|(limit, to)| Some(Correction { limit: limit.clone(), to: to? })).collect()
}

/// A fifth less, in whole seconds if it is one at least.
fn a_fifth_less(span: Duration) -> Duration {
    let less = span * 4 / 5;
    match less.as_secs() {
        0 => Duration::from_millis(u64::try_from(less.as_millis()).unwrap_or(1).max(1)),
        seconds => Duration::from_secs(seconds),
    }
}

/// Whose limits those of the server are.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The role.
    pub role: &'a str,
    /// The database.
    pub database: &'a str,
    /// The role is a superuser.
    pub is_superuser: bool,
}

impl Correction {
    /// How it is written where the limit is set.
    #[must_use]
    pub fn as_written(&self, whose: &Whose<'_>) -> String {
        let Limit { name, keeper, place, at, .. } = &self.limit;
        let ms = self.to.as_millis();
        let time = if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") };
        match (keeper, at) {
            // What a session says itself is stronger than what its role has.
            (Keeper::PostgreSQL, At::Connection) => format!("{name} = {time}    (in {place})"),
            // No application should log in as a superuser, and what is set for one binds it to nothing.
            (Keeper::PostgreSQL, _) if whose.is_superuser => {
                format!("ALTER ROLE <the application's role> SET {name} = '{time}';")
            }
            (Keeper::PostgreSQL, At::RoleInDatabase) => format!(
                "ALTER ROLE {} IN DATABASE {} SET {name} = '{time}';",
                quoted(whose.role),
                quoted(whose.database)
            ),
            (Keeper::PostgreSQL, At::Role) => {
                format!("ALTER ROLE {} SET {name} = '{time}';", quoted(whose.role))
            }
            (Keeper::PgBouncer, _) => {
                format!("{name} = {}    (pgbouncer.ini, then RELOAD)", self.to.as_secs_f64().ceil().max(1.0))
            }
            (Keeper::Nginx, _) => format!("{name} {time};    (then nginx -s reload)"),
            (Keeper::Service | Keeper::Client, _) => {
                format!("{name} = {time}    (in the service's own settings)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::limit::Layer;
    use crate::layers::order::inversions;
    use proptest::prelude::*;

    const NAMES: [&str; 9] = [
        "client",
        "proxy_read_timeout",
        "request",
        "pool_timeout",
        "transaction_timeout",
        "statement_timeout",
        "lock_timeout",
        "deadlock_timeout",
        "query_wait_timeout",
    ];

    fn limit(name: &'static str, after: Option<u64>) -> Limit {
        Limit {
            layer: Layer::Statement,
            name,
            keeper: Keeper::PostgreSQL,
            after: after.map(Duration::from_millis),
            place: String::new(),
            at: At::default(),
        }
    }

    #[test]
    fn the_outermost_decides() {
        let limits = [
            limit("proxy_read_timeout", Some(30_000)),
            limit("statement_timeout", Some(60_000)),
            limit("lock_timeout", None),
            limit("deadlock_timeout", Some(1_000)),
        ];
        let to: Vec<_> =
            corrected(&limits, false).iter().map(|it| (it.limit.name, it.to.as_millis())).collect();
        assert_eq!(to, [("statement_timeout", 24_000), ("lock_timeout", 5_000)]);
        // Where a request's end stops its statements, the statement may have longer.
        let to: Vec<_> = corrected(&limits, true).iter().map(|it| it.limit.name).collect();
        assert_eq!(to, ["lock_timeout"]);
    }

    proptest! {
        #[test]
        fn what_comes_out_is_in_order_and_what_was_in_order_stays(
            values in proptest::collection::vec(proptest::option::of(200_u64..200_000), NAMES.len()),
            deadlines_travel: bool,
        ) {
            let limits: Vec<Limit> = NAMES.iter().zip(&values).map(|(name, value)| limit(name, *value)).collect();
            let corrections = corrected(&limits, deadlines_travel);
            let mut after = limits.clone();
            for limit in &mut after {
                if let Some(correction) = corrections.iter().find(|it| it.limit.name == limit.name) {
                    prop_assert!(limit.after.is_none_or(|before| correction.to < before), "it only becomes shorter");
                    limit.after = Some(correction.to);
                }
            }
            prop_assert_eq!(inversions(&after, deadlines_travel), vec![]);
            prop_assert_eq!(missing(&after), vec![]);
            if inversions(&limits, deadlines_travel).is_empty() && missing(&limits).is_empty() {
                prop_assert_eq!(corrections, vec![]);
            }
        }
    }
}
