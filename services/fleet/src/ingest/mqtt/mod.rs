//! Readings over MQTT: a broker stands between the devices and this service.
//!
//! A device publishes on `tenant/{tenant}/device/{device}/telemetry` what it would send over HTTP, with its token in the
//! field `provision_token`, and hears on `tenant/{tenant}/device/{device}/ack` what became of it. What a message means is
//! decided by [`intake`](super::intake), as for every other way in; here it is found out who sent it, and what was decided is
//! told.
//!
//! - **The broker is told "done" after the COMMIT, and not before.** Until then the message is the broker's, and comes again
//!   after anything that breaks in between: the session outlives connections and starts of this service. What the
//!   database cannot take now stays with the broker, and is tried again here.
//! - **So is the device.** The broker's own word to a device (PUBACK) says that the broker has the message, and a broker may
//!   forget: only the message on `ack` says that it is stored, and a device sends again until it has that.
//! - **Memory is bounded by the window**: the broker sends no more messages than that which were not done with. Nothing waits
//!   between the connection and the tasks that take messages in, and the task that speaks to the broker never waits for
//!   them.
//! - **A connection is begun anew as a whole.** What belongs to one that is lost (its numbers of messages, what waits to be sent)
//!   goes with it: under a number from before, another message may be meant.
//!
//! | file | what is in it |
//! |---|---|
//! | `topic`, `payload` | who a message is from and what it holds; pure |
//! | `told` | what is told on `ack`; pure |
//! | `refusal` | why a message is refused before anything is asked of the database |
//! | `way` | the way of one message, with its repetitions |
//! | `connection` | one connection to the broker, from its beginning to its end |
//! | `door` | connecting again and again until the service stops |
//! | `options` | how the broker is spoken to |
//! | `standing` | how it stands, for the operators' health |

mod connection;
pub(crate) mod door;
pub(crate) mod options;
mod payload;
mod refusal;
pub mod standing;
mod told;
mod topic;
mod way;
