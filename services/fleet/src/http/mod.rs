//! What every answer over HTTP has in common: how a failure is told, the request's id and deadline, which token was
//! shown, and what a body may be. It knows none of the rooms that answer.

pub(crate) mod bearer;
pub(crate) mod media;
pub mod problem;
pub mod request;
mod request_id;
