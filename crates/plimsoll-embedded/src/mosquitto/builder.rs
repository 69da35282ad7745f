//! What a Mosquitto should be like, and the order in which one comes to be.

use super::configuration;
use super::handle::Mosquitto;
use super::program;
use crate::error::Result;
use crate::root::RunAs;
use crate::watchdog::{Starting, Watchdog};
use crate::{folder, port, secret};

/// How often another port is tried when somebody else was quicker.
const PORT_TRIES: usize = 10;

/// Says what a [`Mosquitto`] should be like.
#[derive(Clone, Debug, Default)]
pub struct MosquittoBuilder {
    settings: Vec<(String, String)>,
}

impl MosquittoBuilder {
    /// A line of its configuration, such as `("max_queued_messages", "1000")`. It counts above this crate's own.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts it and waits until it takes connections. Dropped before it is done, it leaves nothing behind.
    pub async fn start(self) -> Result<Mosquitto> {
        let program = program::find()?;
        let run_as = RunAs::choose(None)?;
        let temporary = folder::temporary("mqtt", false, &run_as)?;
        let folder = temporary.path().to_owned();
        let starting = Starting::default();
        let _watchdog = Watchdog::over_daemon(&folder.join("pid"), &folder, &run_as, starting.clone())?;
        let _watched_from_now_on = temporary.keep();
        let password = secret::random()?;
        let mut broker = Mosquitto { program, run_as, folder, port: 0, password, starting, _watchdog };
        let mut tries = 0;
        loop {
            broker.port = port::free()?;
            configuration::write(
                &self.settings,
                &broker.program,
                &broker.folder,
                broker.port,
                &broker.password,
                &broker.run_as,
            )?;
            tries += 1;
            match broker.run().await {
                Err(error) if error.is_port_taken() && tries < PORT_TRIES => {}
                result => return result.map(|()| broker),
            }
        }
    }
}
