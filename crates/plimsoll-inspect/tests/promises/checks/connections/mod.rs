//! Checks C.

mod of_the_pooler;
mod of_the_server;
