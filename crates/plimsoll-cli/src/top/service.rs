//! What a service says of its pool and its breaker: `GET /api/metrics/database`, over plain HTTP.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a service may take to answer.
const LIMIT: Duration = Duration::from_secs(3);

/// The largest answer. One of a busy service has some hundred kilobytes.
const LARGEST: usize = 8 << 20;

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

/// A service that can be asked.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Its host and port, for people.
    pub(super) name: String,
    host: String,
    port: u16,
    path: String,
    /// The header that shows an operator's token.
    authorization: Option<header::HeaderValue>,
}

impl Endpoint {
    /// Reads the URL of a service.
    ///
    /// # Errors
    /// It is no URL of this kind, or the token cannot be sent.
    pub(super) fn new(url: &str, token: Option<&str>) -> Result<Self> {
        let uri: Uri = url.parse().context("a --service is no URL")?;
        if uri.scheme_str() != Some("http") {
            bail!(
                "--service takes http://HOST:PORT: the address of the service itself, not that of a proxy with TLS"
            );
        }
        let authority = uri.authority().context("--service has no host")?;
        if authority.as_str().contains('@') {
            bail!(
                "--service takes no user and password: an operator's token goes into a file, --service-token-file"
            );
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut authorization = None;
        if let Some(token) = token {
            let value = header::HeaderValue::try_from(format!("Bearer {}", token.trim()));
            let mut value =
                value.ok().context("the token in --service-token-file cannot be sent in a header")?;
            value.set_sensitive(true);
            authorization = Some(value);
        }
        Ok(Endpoint {
            name: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: if path == "/" { PATH.to_owned() } else { path.to_owned() },
            authorization,
        })
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
        let wire = TcpStream::connect((self.host.as_str(), self.port)).await.context("no connection")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.context("no HTTP")?;
        let mut request = Request::get(&self.path).header(header::HOST, &self.name);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).context("the request cannot be made")?;
        let ask = async {
            let response =
                sender.send_request(request).await.context("the connection ended before the answer")?;
            let status = response.status();
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                bail!("it answers operators only ({status}): --service-token-file FILE");
            }
            if status != StatusCode::OK {
                bail!("it answered with status {status}");
            }
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            Ok(body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes())
        };
        // The connection is driven here, so that it ends with the question.
        tokio::pin!(connection);
        tokio::pin!(ask);
        tokio::select! {
            answer = &mut ask => answer,
            _ = &mut connection => ask.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_is_meant() {
        let of = |url| Endpoint::new(url, None).map(|it| (it.name, it.host, it.port, it.path));
        let expected = |name: &str, host: &str, port, path: &str| {
            (name.to_owned(), host.to_owned(), port, path.to_owned())
        };
        assert_eq!(of("http://web-1:8080").unwrap(), expected("web-1:8080", "web-1", 8080, PATH));
        assert_eq!(of("http://[::1]:90/").unwrap(), expected("[::1]:90", "::1", 90, PATH));
        let other = "http://web-1/inside/api/metrics/database?database=orders";
        let path = "/inside/api/metrics/database?database=orders";
        assert_eq!(of(other).unwrap(), expected("web-1", "web-1", 80, path));
        for wrong in ["https://web-1", "web-1:8080", "http://u:p@web-1", "", "http://", "ftp://x"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert!(Endpoint::new("http://a", Some("two\nlines")).is_err());
    }
}
