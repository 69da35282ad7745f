//! One question to the service, and what its answer means for a drill.

use super::record::Answer;
use crate::endpoint::Endpoint;
use anyhow::Result;
use hyper::header::RETRY_AFTER;
use std::time::Duration;
use tokio::time::timeout;

/// Where the service is asked.
#[derive(Clone, Debug)]
pub(super) struct Place(Endpoint);

impl Place {
    /// Reads the URL that was given with this option.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    pub(super) fn new(option: &str, url: &str, token: Option<&str>) -> Result<Self> {
        Endpoint::new(option, url, token).map(Place)
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        format!("http://{}{}", self.0.authority, self.0.path)
    }

    /// Asks once.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub(super) async fn ask(&self, limit: Duration) -> Answer {
        match timeout(limit, self.exchange()).await {
            Ok(Ok((status, says_retry))) => Answer::of(status, says_retry),
            Ok(Err(error)) => Answer::Broken(error.to_string()),
            Err(_) => Answer::None,
        }
    }

    /// The status, and whether the answer says when to try again; once it has come whole.
    async fn exchange(&self) -> Result<(u16, bool)> {
        let answer = self.0.get().await?;
        answer.body?;
        Ok((answer.status.as_u16(), answer.headers.contains_key(RETRY_AFTER)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_as_it_was_said() {
        let of = |url| Place::new("--service", url, None).unwrap().name();
        assert_eq!(of("http://web-1:8080"), "http://web-1:8080/");
        assert_eq!(of("http://[::1]:90/a?b=c"), "http://[::1]:90/a?b=c");
    }
}
