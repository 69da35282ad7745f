//! One question to the service: a connection of its own, a GET, and the status that came back within a limit.
//!
//! Each has its own connection, as a new client would: what waits on one keeps no other question from being asked.

use super::record::Answer;
use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri, header};
use hyper_util::rt::TokioIo;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest answer that is read to its end.
const LARGEST: usize = 8 << 20;

/// A token is short.
const TOKEN: u64 = 64 << 10;

/// Where the service is asked.
#[derive(Clone, Debug)]
pub(super) struct Place {
    authority: String,
    host: String,
    port: u16,
    path: String,
    authorization: Option<header::HeaderValue>,
}

impl Place {
    /// Reads a URL of the option `name`.
    ///
    /// # Errors
    /// It is no URL of plain HTTP, or holds a password.
    pub(super) fn new(name: &str, url: &str, token: Option<&str>) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{name} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!(
                "{name} takes http://HOST:PORT/PATH: the address of the service itself, not that of a proxy with TLS"
            );
        }
        let authority = uri.authority().with_context(|| format!("{name} has no host"))?;
        if authority.as_str().contains('@') {
            bail!("{name} takes no user and password: a token goes into a file, --service-token-file");
        }
        let authorization = token.map(|token| {
            let mut value = header::HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .ok()
                .context("the token in --service-token-file cannot be sent in a header")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        Ok(Place {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            authorization: authorization.transpose()?,
        })
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
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

    /// The status, and whether the answer says when to try again.
    async fn exchange(&self) -> Result<(u16, bool)> {
        let wire = TcpStream::connect((self.host.as_str(), self.port)).await.context("no connection")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.context("no HTTP")?;
        let mut request = Request::get(&self.path).header(header::HOST, &self.authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).context("the request cannot be made")?;
        let ask = async {
            let response = sender.send_request(request).await.context("it ended before the answer")?;
            let said = (response.status().as_u16(), response.headers().contains_key(header::RETRY_AFTER));
            let body = Limited::new(response.into_body(), LARGEST).collect().await;
            body.map_err(|_| anyhow::anyhow!("its body broke off"))?;
            Ok(said)
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

/// The token in a file.
///
/// # Errors
/// It cannot be read, or is no token.
pub(super) fn token(file: Option<&Path>) -> Result<Option<String>> {
    use std::io::Read;
    let Some(file) = file else { return Ok(None) };
    let open = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mut token = String::new();
    open.take(TOKEN)
        .read_to_string(&mut token)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_is_meant() {
        let of = |url| Place::new("--service", url, None).map(|place| place.name());
        assert_eq!(of("http://web-1:8080").unwrap(), "http://web-1:8080/");
        assert_eq!(of("http://[::1]:90/a?b=c").unwrap(), "http://[::1]:90/a?b=c");
        for wrong in ["https://web-1", "web-1:8080", "http://u:p@web-1", "", "http://", "ftp://x"] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(error.starts_with("--service ") && !error.contains("u:p"), "{error}");
        }
        assert!(Place::new("--health", "http://a", Some("two\nlines")).is_err());
    }
}
