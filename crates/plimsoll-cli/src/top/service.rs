//! What a service says of its pool and its breaker: `GET /api/metrics/database`, over plain HTTP.

use crate::endpoint::{Answer, Endpoint};
use anyhow::{Context, Result, bail};
use hyper::StatusCode;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::timeout;

/// How long a service may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// Where it is asked unless the URL says otherwise.
const PATH: &str = "/api/metrics/database";

/// The form of the answer that is known here.
const FORM: u32 = 1;

/// What is shown of a service's answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Pools {
    schema_version: u32,
    pub(super) database: String,
    pub(super) health_status: Health,
    pub(super) pool_metrics: Pool,
    pub(super) breaker: Breaker,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Health {
    pub(super) status: String,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Pool {
    pub(super) pool_size: u64,
    pub(super) active_connections: u64,
    pub(super) maximum: u64,
    pub(super) waiting_threads: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(super) struct Breaker {
    pub(super) state: String,
    pub(super) trips: u64,
    pub(super) refused: u64,
}

/// A service whose pool and breaker can be asked for.
#[derive(Clone)]
pub(super) struct Service {
    /// Its host and port, for people.
    pub(super) name: String,
    endpoint: Endpoint,
}

impl Service {
    /// Reads the URL of a service.
    ///
    /// # Errors
    /// As [`Endpoint::new`].
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self> {
        let mut endpoint = Endpoint::new("--service", url, token)?;
        if endpoint.path == "/" {
            PATH.clone_into(&mut endpoint.path);
        }
        Ok(Service { name: endpoint.authority.clone(), endpoint })
    }

    /// Asks it once, for at most three seconds.
    ///
    /// # Errors
    /// It does not answer, or not as a service on Plimsoll does.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub(super) async fn ask(&self) -> Result<Pools> {
        let answer = timeout(LIMIT, self.exchange()).await;
        let body = answer.with_context(|| format!("no answer within {} s", LIMIT.as_secs()))??;
        let pools: Pools = serde_json::from_slice(&body)
            .context("its answer is not that of a service on Plimsoll (is the path right?)")?;
        if pools.schema_version != FORM {
            bail!("it answers in form {}; this program knows form {FORM}", pools.schema_version);
        }
        Ok(pools)
    }

    async fn exchange(&self) -> Result<Bytes> {
        let Answer { status, body, .. } = self.endpoint.get().await?;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            bail!("it answers operators only ({status}): --service-token-file FILE");
        }
        if status != StatusCode::OK {
            bail!("it answered with status {status}");
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_where_services_answer_unless_the_url_says_otherwise() {
        let of = |url| Service::new(url, None).map(|it| (it.name, it.endpoint.path)).unwrap();
        let expected = |name: &str, path: &str| (name.to_owned(), path.to_owned());
        assert_eq!(of("http://web-1:8080"), expected("web-1:8080", PATH));
        assert_eq!(of("http://[::1]:90/"), expected("[::1]:90", PATH));
        let path = "/inside/api/metrics/database?database=orders";
        assert_eq!(of(&format!("http://web-1{path}")), expected("web-1", path));
    }
}
