//! The sessions of a server: what each does, for how long, on whom it waits, and what would be lost with it; which of them are
//! meant by a choice, and how one is stopped.
//!
//! | file | what it holds |
//! |---|---|
//! | [`session`] | one session, and how it is read |
//! | [`choice`] | which sessions are meant, a pure rule |
//! | [`victim`] | which sessions hold all the others up, and what ending one costs, a pure rule |
//! | [`stop`] | the statements that cancel and terminate |

pub mod choice;
pub mod session;
pub mod stop;
pub mod victim;

pub use choice::Choice;
pub use session::{SESSIONS, Session, Sessions};
