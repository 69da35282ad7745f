//! Where a service is asked, and one question to it: a GET over plain HTTP on a connection of its own, as a new client would make it.
//!
//! What waits on one connection keeps no other question from being asked, and the connection ends with its question.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tokio::net::TcpStream;

/// The largest answer. One of a busy service has some hundred kilobytes.
const LARGEST: usize = 8 << 20;

/// A token is short.
const LARGEST_TOKEN: u64 = 64 << 10;

/// A service that can be asked.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Its host and port, for people.
    pub(crate) authority: String,
    host: String,
    port: u16,
    pub(crate) path: String,
    /// The header that shows a token.
    authorization: Option<header::HeaderValue>,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Its body, if that came whole.
    pub(crate) body: Result<Bytes>,
}

impl Endpoint {
    /// Reads the URL that was given with this option.
    ///
    /// # Errors
    /// It is no URL of plain HTTP, or holds a password; or the token cannot be sent.
    pub(crate) fn new(option: &str, url: &str, token: Option<&str>) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("{option} is no URL"))?;
        if uri.scheme_str() != Some("http") {
            bail!(
                "{option} takes http://HOST:PORT/PATH: the address of the service itself, not that of a proxy with TLS"
            );
        }
        let authority = uri.authority().with_context(|| format!("{option} has no host"))?;
        if authority.as_str().contains('@') {
            bail!("{option} takes no user and password: a token goes into a file, --service-token-file");
        }
        let authorization = token.map(|token| {
            let mut value = header::HeaderValue::try_from(format!("Bearer {}", token.trim()))
                .ok()
                .context("the token in --service-token-file cannot be sent in a header")?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        Ok(Endpoint {
            authority: authority.as_str().to_owned(),
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            authorization: authorization.transpose()?,
        })
    }

    /// Asks once, without a limit: that is the caller's.
    ///
    /// # Errors
    /// There was no connection, or no answer.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection.
    pub(crate) async fn get(&self) -> Result<Answer> {
        let wire = TcpStream::connect((self.host.as_str(), self.port)).await.context("no connection")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.context("no HTTP")?;
        let mut request = Request::get(&self.path).header(header::HOST, &self.authority);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).context("the request cannot be made")?;
        let ask = async {
            let response =
                sender.send_request(request).await.context("the connection ended before the answer")?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"));
            Ok(Answer { status: head.status, headers: head.headers, body: body.map(|body| body.to_bytes()) })
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

/// The token in a file, if one was named.
///
/// # Errors
/// It cannot be read.
pub(crate) fn token(file: Option<&Path>) -> Result<Option<String>> {
    let Some(file) = file else { return Ok(None) };
    let cannot = || format!("{} cannot be read", file.display());
    let mut token = String::new();
    let open = File::open(file).with_context(cannot)?;
    open.take(LARGEST_TOKEN).read_to_string(&mut token).with_context(cannot)?;
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_as_it_is_meant() {
        let of =
            |url| Endpoint::new("--service", url, None).map(|it| (it.authority, it.host, it.port, it.path));
        let expected = |name: &str, host: &str, port, path: &str| {
            (name.to_owned(), host.to_owned(), port, path.to_owned())
        };
        assert_eq!(of("http://web-1:8080").unwrap(), expected("web-1:8080", "web-1", 8080, "/"));
        assert_eq!(of("http://[::1]:90/a?b=c").unwrap(), expected("[::1]:90", "::1", 90, "/a?b=c"));
        let other = "http://web-1/inside/api/metrics/database?database=orders";
        let path = "/inside/api/metrics/database?database=orders";
        assert_eq!(of(other).unwrap(), expected("web-1", "web-1", 80, path));
        for wrong in ["https://web-1", "web-1:8080", "http://u:p@web-1", "", "http://", "ftp://x"] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(error.starts_with("--service ") && !error.contains("u:p"), "{error}");
        }
        assert!(Endpoint::new("--health", "http://a", Some("two\nlines")).is_err());
    }
}
