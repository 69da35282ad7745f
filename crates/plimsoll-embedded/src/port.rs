//! A free port, from below the range that the kernel lends to outgoing connections.
//!
//! Binding port 0 gives one from that very range. A server which is stopped for a moment then may find its port taken
//! by some client's outgoing connection when it comes back, and a test of restarts fails one time in a hundred. Linux
//! lends from 32768 up, the BSDs and macOS from 49152.

use crate::error::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};

/// Where everything that this crate starts listens.
pub(crate) const HOST: &str = "127.0.0.1";

const FROM: u16 = 15_000;
const TO: u16 = 31_999;

/// A port that nobody listens on now. Another process may be quicker, so whoever uses it must be ready to ask again.
pub(crate) fn free() -> Result<u16> {
    let mut random = fastrand::Rng::new();
    (0..200)
        .map(|_| random.u16(FROM..=TO))
        .find(|port| is_free(*port))
        .ok_or(Error::NoFreePort { from: FROM, to: TO })
}

/// Whether somebody could listen on it.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
