//! A few made-up devices, which send readings while someone looks at the page, twenty a second in all.
//!
//! A device does what a good one does: each reading has its time and its number, it is sent until it is acknowledged, and only
//! then comes the next. They have a tenant of their own, so that a newcomer's table holds what the newcomer sent.

use super::Play;
use super::client::Client;
use super::witness;
use hyper::StatusCode;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The tenant of the made-up devices.
pub(crate) const TENANT: &str = "made-up";
/// So many devices ..
pub(super) const DEVICES: usize = 5;
/// .. send a reading this often each.
const PACE: Duration = Duration::from_millis(250);
/// A device that is refused sends again after this long, and up to twice that.
const AGAIN: Duration = Duration::from_millis(250);

/// Sends, and asks the table what became of it. Ends when `stopped` says so, or its sender is gone.
///
/// # Cancel safety
/// Dropped, no device sends any more; what was sent may be taken.
pub(crate) async fn run(
    play: Arc<Play>,
    service: SocketAddr,
    key: String,
    mut stopped: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for number in 0..DEVICES {
        tasks.spawn(device(Arc::clone(&play), number, Client::new(service, &key)));
    }
    tasks.spawn(witness::watch(Arc::clone(&play)));
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
    tasks.shutdown().await;
}

/// The name of a device.
pub(super) fn name(number: usize) -> String {
    format!("made-up-{}", number + 1)
}

async fn device(play: Arc<Play>, number: usize, mut client: Client) {
    let path = format!("/ingest/v1/tenant/{TENANT}/device/{}/telemetry", name(number));
    let mut readers = play.readers.subscribe();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // They were not all switched on at the same moment.
    sleep(PACE.mul_f64(fastrand::f64())).await;
    loop {
        pace.tick().await;
        if readers.wait_for(|readers| *readers > 0).await.is_err() {
            return;
        }
        let now = Timestamp::now();
        let Some(seq) = play.ledger.lock().make(number, now) else { return };
        let degrees = 21.0 + f64::from(fastrand::u8(..20)) / 10.0;
        let reading =
            format!(r#"{{"version":"1","ts":"{now:.6}","seq":{seq},"metrics":{{"temperature":{degrees}}}}}"#);
        send_until_acknowledged(&play, &mut client, &path, &reading).await;
        play.ledger.lock().acknowledged(number);
    }
}

/// The same reading again and again, as a device does that heard nothing or was told to come again.
async fn send_until_acknowledged(play: &Play, client: &mut Client, path: &str, reading: &str) {
    let mut counted = None;
    while client.send(path, reading.to_owned()).await != Some(StatusCode::ACCEPTED) {
        counted.get_or_insert_with(|| SendsAgain::counted(play));
        sleep(AGAIN.mul_f64(1.0 + fastrand::f64())).await;
    }
}

/// One device whose reading was not acknowledged yet.
struct SendsAgain<'a>(&'a Play);

impl<'a> SendsAgain<'a> {
    fn counted(play: &'a Play) -> Self {
        play.sending_again.fetch_add(1, Ordering::Relaxed);
        SendsAgain(play)
    }
}

impl Drop for SendsAgain<'_> {
    fn drop(&mut self) {
        self.0.sending_again.fetch_sub(1, Ordering::Relaxed);
    }
}
