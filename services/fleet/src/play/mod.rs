//! Only in development: a database that anyone may break with a button, and devices whose readings show whether that cost any.
//!
//! | file | what is in it |
//! |---|---|
//! | [`breakage`] | what can be done to the database, for how long, and how it ends |
//! | [`fleet`] | the made-up devices: those of `fleet simulate`, at this service |
//! | [`scene`] | what their tenant has beside them: sites, rules, who is on call |
//! | [`ledger`] | what was acknowledged, against what is in the table; pure |
//! | [`witness`] | asks the table, past everything that is broken |
//! | [`routes`] | the buttons, over HTTP |
//!
//! The service reaches its own PostgreSQL through a proxy here, so that the wire can be slowed and cut; a freeze and a kill strike
//! the processes of the server. None of it is in a program that was built without the feature `dev`, and none of it is started
//! for a database that somebody else looks after, or on an address that other machines reach.

mod breakage;
mod fleet;
mod ledger;
mod routes;
pub(crate) mod scene;
mod witness;

pub(crate) use fleet::{TENANT, run};
pub(crate) use routes::routes;

use crate::simulate::figures::Figures;
use breakage::{Breakage, UnderWay};
use ledger::{Ledger, Tally};
use parking_lot::Mutex;
use plimsoll_embedded::Cluster;
use plimsoll_faults::Proxy;
use plimsoll_http::Marks;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The database that may be broken, and what is known of the readings that were sent meanwhile.
pub(crate) struct Play {
    cluster: Arc<Cluster>,
    proxy: Proxy,
    marks: Marks,
    under_way: Mutex<Option<UnderWay>>,
    is_stopping: AtomicBool,
    ledger: Mutex<Ledger>,
    checked: Mutex<Option<Instant>>,
    /// What came of the readings.
    figures: Arc<Figures>,
    /// How many look at the page: devices send much while someone does, and little otherwise.
    readers: watch::Sender<usize>,
}

/// What the page is told of it.
#[derive(Debug, Serialize)]
pub(crate) struct PlayView {
    #[serde(flatten)]
    tally: Tally,
    /// How old the count is, in milliseconds; none before the first.
    checked_ms: Option<u64>,
    sending_again: usize,
    breakage: Option<BreakageView>,
}

#[derive(Debug, Serialize)]
struct BreakageView {
    name: Breakage,
    left_ms: u64,
    span_ms: u64,
}

impl Play {
    /// With a proxy in front of this server.
    ///
    /// # Errors
    /// When no port can be had for the proxy.
    ///
    /// # Cancel safety
    /// Dropped, nothing stays behind.
    pub(crate) async fn with(cluster: &Arc<Cluster>, marks: &Marks) -> io::Result<Arc<Self>> {
        let proxy = Proxy::in_front_of((cluster.host(), cluster.port())).await?;
        Ok(Arc::new(Play {
            cluster: Arc::clone(cluster),
            proxy,
            marks: marks.clone(),
            under_way: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            ledger: Mutex::new(Ledger::new(fleet::DEVICES, jiff::Timestamp::now())),
            checked: Mutex::default(),
            figures: Arc::default(),
            readers: watch::Sender::new(0),
        }))
    }

    /// The port at which the service reaches its database.
    pub(crate) fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// Counts as one that looks, until the guard is dropped.
    pub(crate) fn looked_at(self: &Arc<Self>) -> Looking {
        self.readers.send_modify(|readers| *readers += 1);
        Looking(Arc::clone(self))
    }

    /// As the page is told.
    pub(crate) fn view(&self) -> PlayView {
        let now = Instant::now();
        let checked = *self.checked.lock();
        PlayView {
            tally: self.ledger.lock().tally(),
            checked_ms: checked.map(|at| in_ms(now.saturating_duration_since(at))),
            sending_again: self.figures.sending_again(),
            breakage: self.under_way.lock().as_ref().map(|under_way| BreakageView {
                name: under_way.breakage,
                left_ms: in_ms(under_way.ends.saturating_duration_since(now)),
                span_ms: in_ms(under_way.breakage.span()),
            }),
        }
    }
}

/// One that looks at the page.
pub(crate) struct Looking(Arc<Play>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.readers.send_modify(|readers| *readers = readers.saturating_sub(1));
    }
}

fn in_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
