//! Where settings are read from, what follows from them, and how a wrong one is reported.

mod settings_are_read_as_psql_reads_them;
mod settings_are_read_from_connection_strings;
mod settings_are_read_from_every_source;
mod settings_never_print_a_secret;
mod settings_reading_never_panics;
mod settings_reference_is_the_table;
mod settings_report_every_problem_at_once;
mod settings_that_were_not_said_follow_those_that_were;

use plimsoll::secret::Password;
use plimsoll::settings::Plan;

/// Hosts, database, user and password.
fn where_to(plan: &Plan) -> (Vec<String>, String, String, Option<String>) {
    let password = match plan.password() {
        Some(Password::Fixed(secret)) => Some(secret.expose().to_owned()),
        _ => None,
    };
    let hosts = plan.hosts().iter().map(ToString::to_string).collect();
    (hosts, plan.dbname().to_owned(), plan.user().to_owned(), password)
}
