//! What a Mosquitto should be like, and the order in which one comes to be.

use super::configuration;
use super::handle::{KIND, Mosquitto};
use super::program;
use crate::daemon::Daemon;
use crate::error::Result;
use crate::secret;
use std::fmt;

/// Says what a [`Mosquitto`] should be like.
#[derive(Clone, Default)]
pub struct MosquittoBuilder {
    settings: Vec<(String, String)>,
    password: Option<String>,
}

impl fmt::Debug for MosquittoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MosquittoBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl MosquittoBuilder {
    /// A line of its configuration, such as `("max_queued_messages", "1000")`. It counts above this crate's own.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// The password of its one user, instead of a random one. A random one begins with a word by which it is found where it
    /// was printed, so a password that is meant to be shown is said here.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Starts it and waits until it takes connections. Dropped before it is done, it leaves nothing behind.
    pub async fn start(self) -> Result<Mosquitto> {
        let program = program::find()?;
        let daemon = Daemon::new(&KIND, program)?;
        let password = match self.password {
            Some(password) => password,
            None => secret::random()?,
        };
        let mut broker = Mosquitto { daemon, password };
        let mut tries = 0;
        loop {
            broker.daemon.take_port()?;
            let Daemon { program, folder, port, run_as, .. } = &broker.daemon;
            configuration::write(&self.settings, program, folder, *port, &broker.password, run_as)?;
            tries += 1;
            match broker.run().await {
                Err(error) if Daemon::tries_another_port(&error, tries) => {}
                result => return result.map(|()| broker),
            }
        }
    }
}
