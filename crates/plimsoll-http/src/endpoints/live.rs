//! `GET /livez`: the process answers.
//!
//! No database has a part in it. What asks restarts the process if there is no answer, and to restart a service because its
//! database is away makes one outage into two.

/// `ok`.
pub(super) async fn live() -> &'static str {
    "ok"
}
