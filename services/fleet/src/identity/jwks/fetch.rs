//! One look at the provider's keys: bounded in time and size, and of this address only.

use crate::identity::keys::KeySet;
use crate::identity::provider::IdentityError;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use std::time::Duration;

/// From the first packet to the last.
const LIMIT: Duration = Duration::from_secs(3);

/// More is not read, in bytes.
const LARGEST: usize = 256 * 1024;

/// Where the keys are.
#[derive(Clone)]
pub(super) struct Fetch {
    client: Client,
    url: Url,
}

impl Fetch {
    pub(super) fn new(url: Url) -> Result<Self, IdentityError> {
        // A redirect would be followed to wherever the answer says, past what was checked of the address.
        let mut client = Client::builder().timeout(LIMIT).redirect(Policy::none());
        if url.scheme() == "http" {
            // Only loopback is asked without TLS, and a proxy on the way would be asked instead.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| IdentityError::Client(error.to_string()))?;
        Ok(Fetch { client, url })
    }

    /// Its name for the log.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) async fn keys(&self) -> Result<KeySet, String> {
        let told = |error: reqwest::Error| with_causes(&error.without_url());
        let mut answer = self.client.get(self.url.clone()).send().await.map_err(told)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}, and only 200 is taken", answer.status()));
        }
        let mut text = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            if text.len() + piece.len() > LARGEST {
                return Err(format!("its answer is longer than {LARGEST} bytes"));
            }
            text.extend_from_slice(&piece);
        }
        KeySet::of_jwks(&text).map_err(|bad| bad.to_string())
    }
}

/// The error with what lies behind it: "error sending request" alone tells no one what to do.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
