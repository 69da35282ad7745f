//! Profiles: what a server, a database and its roles ought to be told, and what it takes to get there.
//!
//! A profile is a table and a rule. [`situation::learn`] asks what is there now and what the role that asks may do; the rule
//! holds the table against that and gives [`Planned`] items: a [`Step`] with its statements and their inverse, or why there is
//! none. Nothing here changes anything: `plimsoll apply` runs the steps.
//!
//! | file | what it holds |
//! |---|---|
//! | [`guards`] | the settings of the profile `service`, why each is there, and at which level |
//! | [`level`] | where a setting can be said: the SQL that says it there, takes it back, and asks |
//! | [`step`] | one step, and what there is instead of one |
//! | [`situation`] | what is there now |
//! | [`service`] | the rule of the profile `service` |
//! | [`roles`] | the rule of the profile `roles`: a least-privilege set of roles |
//! | `role_there` | what is known of roles that are there already |
//! | [`rights`] | whether the role that asks may run a statement, asked before |
//! | [`parts`] | which statements of a step go into one transaction, and which go alone |
//! | [`reference`](mod@reference) | `docs/db.md`, made of all that |

pub mod guards;
pub mod level;
pub mod parts;
pub mod reference;
pub mod rights;
mod role_there;
pub mod roles;
pub mod service;
pub mod situation;
pub mod step;

pub use guards::{Guard, SERVICE};
pub use level::Level;
pub use situation::Situation;
pub use step::{Planned, Probe, Reading, Step};
