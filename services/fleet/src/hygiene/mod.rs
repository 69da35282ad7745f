//! What keeps the tables small and the planner well informed: days of readings that are past are dropped, alerts that were closed
//! long ago go with what was told of them, statistics are renewed, and the overview of the sites is worked out anew.
//!
//! It happens once a night, at the hour that `FLEET_NIGHT_HOUR` names, by whichever instance comes first: each piece of work is
//! claimed by an advisory lock, and the time at which it was done is in `maintenance_log`. An instance that was down at that hour
//! makes up for it when it starts. Statistics are renewed after an import too.
//!
//! | file | what is in it |
//! |---|---|
//! | `night` | when work is due, a pure rule |
//! | `work` | the work itself |
//! | `finished` | alerts, steps of escalations and messages that were done with long ago |
//! | `keep` | the background task, and the pool of its own with which it works |

pub mod finished;
pub(crate) mod keep;
pub mod night;
pub mod work;

pub use keep::Imports;
