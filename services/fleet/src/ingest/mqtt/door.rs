//! The door to the broker: it connects again and again, with growing pauses, until the service stops; a background task of
//! the service.

use super::connection::{self, End, Places};
use super::options::DoorOptions;
use super::standing::Count;
use super::way::Hall;
use crate::service::Service;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A connection that stood so long was a good one, and the next is tried for at once.
const GOOD: Duration = Duration::from_secs(10);

/// Takes what comes from the broker until `stop` is raised; then what is under way is finished, and the broker is told what is
/// done with. A try at storing a message has `within`.
pub(crate) async fn run(
    service: Service,
    options: DoorOptions,
    within: Duration,
    stop: watch::Receiver<bool>,
) {
    let hall = Arc::new(Hall { service, stop: stop.clone(), within });
    let standing = hall.service.mqtt();
    let places = Places::new(options.window);
    let mut stop = stop;
    let mut pause = FIRST_PAUSE;
    standing.begin();
    let mut is_told = false;
    while let End::Lost { why, stood } = connection::serve(&hall, &places, &options).await {
        let why = format!("the broker at {} is away: {why}", options.place);
        if stood.is_some() {
            standing.add(Count::Lost);
        }
        // Once for each time that it goes away.
        if stood.is_some() || !is_told {
            tracing::warn!("{why}; connecting again until it is there");
            is_told = true;
        }
        standing.set_away(Some(why));
        if stood.is_some_and(|stood| stood >= GOOD) {
            pause = FIRST_PAUSE;
        }
        // Instances that were cut off together must not come back together.
        let pausing = tokio::time::sleep(pause.mul_f64(0.5 + 0.5 * fastrand::f64()));
        pause = (pause * 2).min(LONGEST_PAUSE);
        tokio::select! {
            () = pausing => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    standing.set_away(Some("the service has stopped".to_owned()));
    standing.end();
}
