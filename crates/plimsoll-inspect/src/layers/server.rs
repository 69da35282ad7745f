//! The time limits of a role on the server.

use super::limit::{At, Keeper, Layer, Limit};
use crate::answer::{Unreadable, rows};
use crate::checks::check::Answers;
use crate::checks::role_settings;
use crate::checks::setting_value::SettingValue;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

pub(super) const READ: [(&str, Layer); 8] = [
    ("transaction_timeout", Layer::Transaction),
    ("idle_in_transaction_session_timeout", Layer::Transaction),
    ("statement_timeout", Layer::Statement),
    ("lock_timeout", Layer::Lock),
    ("deadlock_timeout", Layer::Lock),
    ("idle_session_timeout", Layer::Tcp),
    ("client_connection_check_interval", Layer::Tcp),
    ("tcp_user_timeout", Layer::Tcp),
];

/// What is known of the role that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedRole {
    /// It is a superuser, as which no application should log in.
    pub is_superuser: bool,
    /// Roles that log in and are no superuser: some of them.
    pub others: Vec<String>,
}

/// Asks that, of the role `current_setting('plimsoll.role')`.
pub const ASK_ROLE: &str = "SELECT r.rolsuper AS role_is_super, (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(o.rolname), ', ') \
                            FROM (SELECT rolname FROM pg_catalog.pg_roles WHERE rolcanlogin AND NOT rolsuper \
                                  AND rolname !~ '^pg_' ORDER BY oid DESC LIMIT 5) AS o) AS other_roles \
                            FROM pg_catalog.pg_roles AS r WHERE r.rolname = \
                            COALESCE(NULLIF(pg_catalog.current_setting('plimsoll.role', true), ''), current_user)";

impl AskedRole {
    /// Reads the answer to [`ASK_ROLE`].
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Self, Unreadable> {
        let mut role = AskedRole::default();
        for row in rows(answer).filter(|row| row.has("role_is_super")) {
            let others = row.text("other_roles")?.unwrap_or_default();
            let others = others.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            role = AskedRole { is_superuser: row.flag("role_is_super")?, others };
        }
        Ok(role)
    }
}

/// Asks for the settings of the role `current_setting('plimsoll.role')`.
pub const ASK: &str = role_settings::ROLE_SETTINGS;

/// The milliseconds of a time limit as PostgreSQL writes it: `5s`, `5000`. `None` if it is no time.
#[must_use]
pub fn millis(text: &str) -> Option<u64> {
    let value = SettingValue::read(text.trim_matches(['\'', '"']), Some("ms"))?.0;
    Duration::try_from_secs_f64(value / 1_000.0).ok().and_then(|time| u64::try_from(time.as_millis()).ok())
}

/// Reads the answer to [`ASK`]: the limits, and the names of those that cannot be known to the role that asks.
///
/// # Errors
/// The answer is not one to this question.
pub fn read(
    answer: &[SimpleQueryMessage],
    role: &str,
) -> Result<(Vec<Limit>, Vec<&'static str>), Unreadable> {
    let settings = role_settings::read(&Answers(vec![answer]))?;
    let (mut limits, mut unknown) = (Vec::new(), Vec::new());
    for (name, layer) in READ {
        let Some(setting) = settings.get(name) else { continue };
        let Some(millis) = setting.number() else {
            unknown.push(name);
            continue;
        };
        let after =
            (millis > 0.0).then(|| Duration::try_from_secs_f64(millis / 1_000.0).unwrap_or(Duration::MAX));
        let place = match setting.source.as_str() {
            "role" => format!("role {role}"),
            "role in database" => format!("role {role} in this database"),
            other => other.to_owned(),
        };
        let at = if setting.source == "role in database" { At::RoleInDatabase } else { At::Role };
        limits.push(Limit { layer, name, keeper: Keeper::PostgreSQL, after, place, at });
    }
    Ok((limits, unknown))
}
