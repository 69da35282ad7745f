//! What goes on beside the requests, from the moment the database is there, and what stops it.
//!
//! | background task | what stops it |
//! |---|---|
//! | the HTTP server | `Running::stop`, requests within `FLEET_GRACE` |
//! | bringing the database up | its end; aborted by `Running::stop` |
//! | the door to the broker | `Running::stop`, after what is under way is done with |
//! | the lookup of devices that send | `Running::stop`, after those who wait were told |
//! | the writer of readings | `Running::stop`, after what it was given is written |
//! | partitions ahead | `Running::stop` |
//! | hearing which tokens of operators are revoked | `Running::stop` |
//! | escalation of alerts that are due | `Running::stop` |
//! | changes of devices' states are noted | `Running::stop` |
//! | rules about readings and about silence | `Running::stop` |
//! | sending messages | `Running::stop`; what is being sent is waited for |
//! | subscriptions whose end has come | `Running::stop` |
//! | the work of the night | `Running::stop` |
//! | made-up devices (development) | `Running::stop` |
//! | a fault that is played (development) | its own end; ended by `Running::stop` |

use crate::alert_rules::{evaluate, silence};
use crate::audit::forget;
use crate::boot::bring_up::BringUpInput;
use crate::delivery::sender;
use crate::devices::state::noting;
use crate::escalation::tick;
use crate::hygiene::work::Nightly;
use crate::hygiene::{self, Imports};
use crate::identity::revocations;
use crate::ingest::partitions::{self, Partitions};
use crate::ingest::quarantine;
use crate::operator::history;
use crate::pools::Pools;
use crate::subscriptions::terms;
use plimsoll::Database;
use plimsoll::settings::Settings;

/// Begins all of it; gives what is to be told of imports.
pub(super) fn begin(
    given: &BringUpInput,
    app_settings: &Settings,
    pools: &Pools,
    partitions: &Partitions,
) -> Imports {
    let (config, service) = (&given.config, &given.service);
    let db = || pools.ops_worker.clone();
    let stop = || given.stop.clone();
    tokio::spawn(partitions::keep_ahead(partitions.clone(), stop()));
    tokio::spawn(quarantine::keep_writing(service.clone(), db(), stop()));
    tokio::spawn(terms::keep(db(), stop()));
    tokio::spawn(tick::keep_going(db(), config.escalation_every, stop()));
    tokio::spawn(noting::keep_noting(db(), config.device_state, stop()));
    if service.identity().is_on() {
        tokio::spawn(revocations::hear(service.identity().clone(), pools.system.clone(), stop()));
    }
    tokio::spawn(forget::run(db(), stop()));
    tokio::spawn(history::run(service.clone(), stop()));
    tokio::spawn(evaluate::run(db(), stop()));
    tokio::spawn(silence::run(db(), stop()));
    tokio::spawn(sender::run(given.sender.clone(), db(), stop()));
    let imports = Imports::default();
    let nightly = Nightly { hour: config.night_hour, keep_days: config.keep_days };
    let settings = hygiene::keep::settings(app_settings);
    // By the time of its first connection the password is the one that holds.
    let open = move || Database::connect(settings.clone());
    tokio::spawn(hygiene::keep::keep(open, imports.clone(), nightly, stop()));
    imports
}
