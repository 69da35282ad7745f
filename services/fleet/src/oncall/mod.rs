//! Who is on call: the rule of rotation, and schedules as people write them.

pub mod board;
pub mod refusal;
pub mod rotation;
pub mod routes;
pub mod schedule;
pub mod store;
