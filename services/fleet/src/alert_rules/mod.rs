//! Rules, and the alerts that they open by themselves: a metric that is beyond a limit for some time, and a device that is
//! silent.
//!
//! A threshold is looked at for each reading that is stored. The statement that stores readings writes down which they are
//! (`alert_rule_work`), so both are committed or neither is, and a tenant without rules pays for one look into an index. A
//! background task looks at them and deletes the note in one transaction ([`evaluate`]). So no crash loses a reading, no reading
//! waits for a rule, and telemetry needs no further index. A cursor over the time of storing would lose what commits late; to
//! look in the transaction of the readings would let a rule keep a device waiting.
//!
//! Silence is looked for every half minute ([`silence`]), since nothing happens when nothing comes.
//!
//! One instance at a time looks at a tenant (an advisory lock), and one cause has one open alert whatever runs (a unique index).
//! A rule closes what it has opened when that is over, and the alert's details say so.

pub(crate) mod closing;
pub mod evaluate;
pub mod refusal;
pub mod routes;
pub mod rule;
pub mod silence;
pub mod store;
pub mod watch;
