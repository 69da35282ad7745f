//! How a device speaks over HTTP: as any other does, over a socket.

use super::again::Told;
use super::outbox::Kept;
use plimsoll::secret::Secret;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::time::Duration;

/// A request has ended by then; the service's own deadline is shorter.
const LIMIT: Duration = Duration::from_secs(30);
/// More of an answer is not read.
const LARGEST: usize = 64 * 1024;

/// A client for all devices of a fleet. It asks no proxy: devices are near their service, and a loopback address is not the
/// proxy's.
pub(super) fn client() -> Result<Client, String> {
    let client = Client::builder().timeout(LIMIT).redirect(Policy::none()).no_proxy().tcp_nodelay(true);
    client.build().map_err(|error| format!("HTTP cannot be spoken: {error}"))
}

/// A device's way over HTTP.
pub(super) struct Http {
    client: Client,
    to: Url,
    key: Secret,
    site: Option<String>,
}

impl Http {
    /// For a device of this tenant.
    pub(super) fn new(
        client: Client,
        service: &Url,
        (tenant, device): (&str, &str),
        key: &Secret,
        site: Option<&str>,
    ) -> Self {
        let mut to = service.clone();
        // Both names are made of what a path may hold.
        to.set_path(&format!("/ingest/v1/tenant/{tenant}/device/{device}/telemetry"));
        Http { client, to, key: key.clone(), site: site.map(str::to_owned) }
    }

    /// Sends a reading.
    ///
    /// # Cancel safety
    /// Dropped, the reading may have been taken.
    pub(super) async fn send(&self, reading: &Kept, seq: i64) -> Told {
        let body = reading.values.envelope(reading.made, seq, self.site.as_deref()).to_string();
        let request = self.client.post(self.to.clone()).header(CONTENT_TYPE, "application/json");
        let request = request.header("X-Provision-Token", self.key.expose()).body(body);
        let Ok(mut answer) = request.send().await else { return Told::nothing() };
        let status = answer.status().as_u16();
        let after =
            answer.headers().get(RETRY_AFTER).and_then(|said| said.to_str().ok()?.trim().parse().ok());
        let told = Told::of_status(status, after.map(Duration::from_secs));
        // Read to its end, so that the connection can be used again. What was answered stands already.
        let mut read = 0;
        while let Ok(Some(piece)) = answer.chunk().await {
            read += piece.len();
            if read > LARGEST {
                break;
            }
        }
        told
    }
}
