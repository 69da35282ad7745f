//! Trouble on purpose: a broken wire, a server that stands still, and a script of both.
//!
//! Most of what goes wrong between a service and its database goes wrong on the wire, at a moment nobody chose:
//! after COMMIT was sent and before its answer arrived, in the middle of a message, or not at all, the line just
//! falls silent. Such moments cannot be had by waiting for them. [`Proxy`] stands on the loopback interface in
//! front of a PostgreSQL server (or a pooler), reads along, and lets a test choose the moment:
//!
//! ```no_run
//! use plimsoll_faults::{Direction, Fault, Proxy, When};
//!
//! # async fn example() -> std::io::Result<()> {
//! let wire = Proxy::in_front_of("127.0.0.1:5432").await?;
//! // ... connect the program under test to 127.0.0.1, port `wire.port()` ...
//! wire.set_once(Fault::on_message(Direction::ToServer, b'Q', "COMMIT", When::AnswerDropped));
//! // ... its next COMMIT happens on the server, and the program never hears of it ...
//! wire.until_struck(1).await;
//! # Ok(())
//! # }
//! ```
//!
//! [`Process`] freezes, thaws and kills the server itself, and [`Script`] plays one trouble after another:
//!
//! ```no_run
//! use plimsoll_faults::{Process, Proxy, Script};
//!
//! # async fn example(wire: Proxy, postmaster: u32) -> Result<(), Box<dyn std::error::Error>> {
//! let server = Process::attach_tree(postmaster)?;
//! let night: Script = "2s freeze\n 12s thaw\n 15s cut\n 20s delay 50ms +-20ms\n 25s heal".parse()?;
//! night.play(&wire, &server).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it keeps to:
//!
//! - **Loopback only.** It listens on 127.0.0.1 and refuses a target that is another machine. An operator's drill, who says
//!   both addresses ([`Proxy::listening_at`]), is the one exception.
//! - **Exact.** Messages are counted by PostgreSQL's own framing, however TCP splits them; a fault falls between
//!   two bytes that the caller named. A delay is latency and not throughput: what is sent together arrives
//!   together, later.
//! - **In order.** Like TCP it may be late, slow or silent, and never mixes up bytes or loses some in the middle.
//! - **To be had again.** Chance comes from a seed that can be read back ([`Proxy::seed`], [`Script::seed`]).
//! - **Apart.** The proxy lives in a thread of its own. A program that blocks or drops its runtime does not stall
//!   the wire, and a slow wire does not stall the program.
//! - **Gone when dropped.** Dropping [`Proxy`] closes every socket and ends the thread before it returns; dropping
//!   [`Process`] thaws it.
//!
//! The map: [`Fault`] says what shall break; [`framing`] finds the messages (pure); `course` decides how many bytes
//! may pass (pure); `shape` decides how late and how narrow (pure); `wire` moves the bytes of one connection and
//! `ending` ends it; `state` is what the wires and the handle both know, and `report` what of it is told; `pace` waits
//! more finely than the runtime's timer; [`Proxy`] is the handle. Beside the wire, `process` stops and starts what is
//! handed to it, and `script` is the schedule: text, dice, and the clock that plays it. [`ledger`] holds what callers
//! were told against what is stored (pure), which is what all the trouble is for.

mod course;
mod ending;
mod fault;
pub mod framing;
pub mod ledger;
mod pace;
mod process;
mod proxy;
mod report;
mod script;
mod shape;
mod state;
mod wire;

pub use fault::{At, Cut, Direction, Fault, SEGMENT, Since, When};
pub use process::{Process, ProcessError};
pub use proxy::Proxy;
pub use report::{Passed, WireReport};
pub use script::{Play, PlayError, Script, ScriptError, Step, Trouble, What};
