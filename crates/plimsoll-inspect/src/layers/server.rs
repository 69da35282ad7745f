//! The time limits of a role on the server.

use super::limit::{Keeper, Layer, Limit};
use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::role_settings;
use crate::checks::setting_value::SettingValue;
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

const READ: [(&str, Layer); 8] = [
    ("transaction_timeout", Layer::Transaction),
    ("idle_in_transaction_session_timeout", Layer::Transaction),
    ("statement_timeout", Layer::Statement),
    ("lock_timeout", Layer::Lock),
    ("deadlock_timeout", Layer::Lock),
    ("idle_session_timeout", Layer::Tcp),
    ("client_connection_check_interval", Layer::Tcp),
    ("tcp_user_timeout", Layer::Tcp),
];

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
        limits.push(Limit { layer, name, keeper: Keeper::PostgreSQL, after, place });
    }
    Ok((limits, unknown))
}
