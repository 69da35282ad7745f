//! Opens a pool for each server that reads may go to, and has all servers watched.

use super::heartbeat;
use super::replication;
use crate::call::postgres::Postgres;
use crate::call::replicas::{Replica, Replicas};
use crate::call::server::Server;
use crate::error::Result;
use crate::events::Events;
use crate::place::{Place, ServerRole};
use crate::pool::Pool;
use crate::pool::meter::Metering;
use crate::record::Monitor;
use crate::record::slow_log::SlowLog;
use crate::rules::share::mark::{self, Mark};
use crate::settings::{Host, Plan};
use crate::wire::connect::Connector;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a start waits until each replica was asked, so that the first reads find them. Those that are away are not
/// waited for.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The place of the primary among the servers, where there are several.
pub(super) fn primary(plan: &Plan) -> Option<Place> {
    (!plan.replica_hosts().is_empty()).then(|| place(ServerRole::Primary, plan.hosts()))
}

fn place(role: ServerRole, hosts: &[Host]) -> Place {
    let hosts = hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Place { role, hosts: hosts.into() }
}

/// What the pools of all servers have in common.
pub(super) struct Shared {
    pub(super) events: Events,
    pub(super) monitor: Arc<Monitor>,
    pub(super) slow_log: Arc<SlowLog>,
}

/// Opens the pools of the replicas; none where no replica is set.
pub(super) fn open(plan: &Plan, shared: &Shared) -> Result<Option<Arc<Replicas>>> {
    if plan.replica_hosts().is_empty() {
        return Ok(None);
    }
    let open_one = |host: &Host| {
        let plan = Arc::new(plan.for_replica(host.clone()));
        let place = place(ServerRole::Replica, plan.hosts());
        let name = Arc::clone(&place.hosts);
        let (pool, server) = pool(&plan, shared, Some(place))?;
        start_heartbeat(&pool, &server, None)?;
        Ok(Arc::new(Replica::new(name, pool, server)))
    };
    let all = plan.replica_hosts().iter().map(open_one).collect::<Result<Vec<_>>>()?;
    Ok(Some(Arc::new(Replicas::new(all, plan))))
}

/// Makes the pool of one server.
pub(super) fn pool(
    plan: &Arc<Plan>,
    shared: &Shared,
    place: Option<Place>,
) -> Result<(Pool<Postgres>, Arc<Server>)> {
    let connector = Connector::new(Arc::clone(plan))?;
    let demotions = Arc::clone(connector.demotions());
    let Shared { events, monitor, slow_log } = shared;
    let (events, slow_log) = (events.clone(), Arc::clone(slow_log));
    let server = Server::new(Arc::clone(plan), events, Arc::clone(monitor), slow_log, place, demotions);
    let server = Arc::new(server);
    let manager = Postgres { connector, server: Arc::clone(&server) };
    let metering = Metering::by(Arc::clone(monitor) as _);
    let pool = Pool::with_events(manager, plan, shared.events.clone(), Arc::clone(&server.alarm), metering);
    Ok((pool, server))
}

/// Starts the heartbeat of a pool, whose name shows this mark to other instances.
pub(super) fn start_heartbeat(pool: &Pool<Postgres>, server: &Arc<Server>, mark: Option<Mark>) -> Result<()> {
    let plan = &server.plan;
    let name = mark::compose(plan.application_name(), mark);
    let connector = Connector::new(Arc::new(plan.shown_as(name)))?;
    let connector = connector.learning_with(Arc::clone(&server.demotions));
    let inner = Arc::downgrade(&pool.inner);
    server.runtime.spawn(heartbeat::run(inner, Arc::clone(server), connector));
    Ok(())
}

/// Has all servers watched, and waits for a moment until each was looked at.
pub(super) async fn watch(pool: &Pool<Postgres>, primary: &Arc<Server>, replicas: &Arc<Replicas>) {
    let (inner, weak) = (Arc::downgrade(&pool.inner), Arc::downgrade(replicas));
    primary.runtime.spawn(replication::run(inner, Arc::clone(primary), weak));
    let _ = timeout(FIRST_LOOK, replicas.first_look.notified()).await;
}
