//! One connection to the broker, from its beginning to its end.
//!
//! The task here does nothing but speak with the broker; it hands each message to a task of its own and never waits for
//! one. What those have to say (a message is done with, a device is told) goes through the connection's queue, for which
//! they wait and this task does not: were it to wait for room in a queue that it alone empties, it would wait for ever.
//!
//! All that belongs to a connection ends with it. A message that was under way then is the broker's still, and comes again on
//! the next; its task may end as it likes, since what it says goes nowhere.

use super::options::DoorOptions;
use super::standing::Count;
use super::topic;
use super::way::Hall;
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{DisconnectReasonCode, Packet, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, StateError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The library says something at least each time that it asks the broker whether it is there, every ten seconds; not while it
/// waits for a broker that takes nothing more.
const SILENCE: Duration = Duration::from_secs(30);

/// What those who were under way when the stop came have to come to their end.
const DRAIN: Duration = Duration::from_secs(5);

/// What is left then for telling the broker.
const FAREWELL: Duration = Duration::from_secs(2);

/// What has to be said to the broker, by those who take messages in.
#[derive(Clone)]
pub(super) struct Line {
    client: AsyncClient,
    /// Closed when the connection has ended.
    end: watch::Receiver<()>,
}

impl Line {
    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        let mut end = self.end.clone();
        while end.changed().await.is_ok() {}
    }

    /// Tells a device. Where the connection has ended, its device hears nothing, and sends again.
    pub(super) async fn tell(&self, topic: String, text: String) {
        let _ = self.client.publish(topic, QoS::AtLeastOnce, false, text).await;
    }

    /// Tells the broker that it need not send this message again.
    pub(super) async fn acknowledge(&self, publish: &Publish) {
        let _ = self.client.ack(publish).await;
    }
}

/// How many messages may be under way, whatever becomes of connections.
pub(super) struct Places {
    /// Those that the broker holds until they are done with.
    promised: Arc<Semaphore>,
    /// Those that it has forgotten by the time they are here.
    loose: Arc<Semaphore>,
}

impl Places {
    pub(super) fn new(window: u16) -> Self {
        let of = || Arc::new(Semaphore::new(window.into()));
        Places { promised: of(), loose: of() }
    }
}

/// How a connection ended.
pub(super) enum End {
    /// The service stops.
    Stopped,
    /// It was lost, or was not made.
    Lost {
        /// Why.
        why: String,
        /// How long messages came.
        stood: Option<Duration>,
    },
}

/// A connection that is being worked with.
struct Connection<'a> {
    hall: &'a Arc<Hall>,
    places: &'a Places,
    line: Line,
    under_way: JoinSet<()>,
    /// Since when messages come.
    since: Option<Instant>,
}

/// Connects, and takes what comes until the connection is lost or the service stops.
pub(super) async fn serve(hall: &Arc<Hall>, places: &Places, options: &DoorOptions) -> End {
    let (client, mut events) = AsyncClient::new(options.mqtt.clone(), options.queue());
    let (_ends_with_this, end) = watch::channel(());
    if client.try_subscribe(&options.filter, QoS::AtLeastOnce).is_err() {
        return End::Lost { why: format!("{:?} cannot be subscribed to", options.filter), stood: None };
    }
    let line = Line { client, end };
    let mut here = Connection { hall, places, line, under_way: JoinSet::new(), since: None };
    let mut stop = hall.stop.clone();
    let why = loop {
        // Those that have ended would be kept otherwise.
        while here.under_way.try_join_next().is_some() {}
        let event = tokio::select! {
            event = timeout(SILENCE, events.poll()) => Some(event),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let handled = match event {
            None => {
                here.end_in_order(&mut events).await;
                return End::Stopped;
            }
            Some(Ok(Ok(event))) => here.handle(event),
            Some(Ok(Err(error))) => Err(sentence(&error)),
            Some(Err(_)) => Err("it takes nothing more".to_owned()),
        };
        if let Err(why) = handled {
            break why;
        }
    };
    here.under_way.detach_all();
    End::Lost { why, stood: here.since.map(|since| since.elapsed()) }
}

impl Connection<'_> {
    fn handle(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Incoming(Packet::Publish(publish)) => self.take(publish),
            Event::Incoming(Packet::SubAck(answer)) => {
                if let Some(refused) =
                    answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)))
                {
                    return Err(format!("it refuses the subscription: {refused:?}"));
                }
                self.since = Some(Instant::now());
                self.hall.service.mqtt().set_away(None);
                tracing::info!("messages of devices come from the broker");
            }
            _ => {}
        }
        Ok(())
    }

    /// Hands a message to a task of its own.
    fn take(&mut self, publish: Publish) {
        let standing = self.hall.service.mqtt();
        let (hall, line) = (Arc::clone(self.hall), self.line.clone());
        // What it kept for newcomers is sent with each subscription, and would be another reading each time.
        if publish.retain || topic::is_own(&publish.topic) {
            if publish.retain {
                standing.add(Count::Retained);
            }
            self.under_way.spawn(async move { line.acknowledge(&publish).await });
            return;
        }
        let loose = match publish.qos {
            QoS::AtMostOnce => match Arc::clone(&self.places.loose).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => return standing.add(Count::Dropped),
            },
            QoS::AtLeastOnce | QoS::ExactlyOnce => None,
        };
        let places = Arc::clone(&self.places.promised);
        self.under_way.spawn(async move {
            let Some(_place) = place(loose, places, &line).await else { return };
            hall.take(&line, &publish).await;
        });
    }

    /// Takes nothing new, lets those that are under way come to their end, and says good-bye.
    async fn end_in_order(&mut self, events: &mut EventLoop) {
        self.hall.service.mqtt().set_away(Some("the service stops".to_owned()));
        let draining = async {
            loop {
                tokio::select! {
                    ended = self.under_way.join_next() => {
                        if ended.is_none() {
                            return true;
                        }
                    }
                    event = events.poll() => {
                        if event.is_err() {
                            return false;
                        }
                    }
                }
            }
        };
        let is_drained = timeout(DRAIN, draining).await.unwrap_or(true);
        self.hall.service.mqtt().end();
        // Behind all that they had to say.
        if !is_drained || self.line.client.try_disconnect().is_err() {
            return;
        }
        let farewell = async {
            while let Ok(event) = events.poll().await {
                if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    return;
                }
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// A place for a message; none once its connection has ended.
async fn place(
    loose: Option<OwnedSemaphorePermit>,
    places: Arc<Semaphore>,
    line: &Line,
) -> Option<OwnedSemaphorePermit> {
    if loose.is_some() {
        return loose;
    }
    tokio::select! {
        place = places.acquire_owned() => place.ok(),
        () = line.ended() => None,
    }
}

/// Why a connection was lost, and where that helps, what to do.
fn sentence(error: &ConnectionError) -> String {
    match error {
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code: DisconnectReasonCode::SessionTakenOver,
            ..
        }) => "another client came with the same id: give each instance its own with FLEET_MQTT_CLIENT_ID"
            .to_owned(),
        ConnectionError::ConnectionRefused(code) => {
            format!(
                "it refuses the connection ({code:?}): are the user, the password and the version of MQTT (5) right?"
            )
        }
        error => error.to_string(),
    }
}
