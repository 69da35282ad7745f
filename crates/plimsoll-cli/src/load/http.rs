//! A service that is called by HTTP/1.1, plainly or under TLS by the certificates that this system trusts.
//!
//! Connections are kept for the next call, as many as are in use at a time, and each carries one call at a time. A redirect is an
//! answer and is not followed. An answer is read to its end and thrown away.

use super::drive::Caller;
use super::figures::Share;
use super::tally::{End, Parts};
use super::targets::{Said, tell_apart, text_or_file};
use anyhow::{Context, Result, bail, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

type Http = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A request that can be made again and again.
#[derive(Clone, Debug)]
struct Prepared {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// Calls a service.
#[derive(Clone, Debug)]
pub(super) struct HttpCaller {
    client: Http,
    requests: Arc<Vec<Prepared>>,
}

impl HttpCaller {
    /// # Errors
    /// A target is no request, or there are no certificates to trust for one under TLS.
    pub(super) fn new(targets: &[Said], headers: &[(HeaderName, HeaderValue)]) -> Result<(Self, Vec<Share>)> {
        let (mut requests, mut shares) = (Vec::new(), Vec::new());
        for said in targets {
            let request = Prepared::of(said, headers)?;
            let name = said.name.clone().unwrap_or_else(|| {
                let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
                format!("{} {path}", request.method)
            });
            shares.push(Share { name, weight: said.weight });
            requests.push(request);
        }
        tell_apart(&mut shares);
        let is_encrypted = requests.iter().any(|request| request.uri.scheme_str() == Some("https"));
        let client = client(is_encrypted)?;
        Ok((HttpCaller { client, requests: Arc::new(requests) }, shares))
    }

    /// The hosts that are not this machine, for a warning.
    pub(super) fn far_hosts(&self) -> Vec<String> {
        let hosts = self.requests.iter().filter_map(|request| request.uri.host());
        let mut far: Vec<String> = hosts.filter(|host| !is_here(host)).map(str::to_owned).collect();
        far.sort();
        far.dedup();
        far
    }

    /// Asks each target that has a turn once, to see whether it is there at all.
    ///
    /// # Errors
    /// One cannot be reached.
    pub(super) async fn meet(&self, shares: &[Share], within: Duration) -> Result<()> {
        for (place, (request, share)) in self.requests.iter().zip(shares).enumerate() {
            // A request that changes something is not made for a look.
            if share.weight == 0 || !request.method.is_safe() {
                continue;
            }
            if let End::Failed(why) = self.ask(place, within).await.unwrap_or(End::TimedOut)
                && why.starts_with(NO_CONNECTION)
            {
                let place = request.uri.authority().map_or("", |authority| authority.as_str());
                bail!("{place} cannot be reached: {why}");
            }
        }
        Ok(())
    }

    async fn ask(&self, target: usize, within: Duration) -> Option<End> {
        let request = self.requests.get(target)?;
        Some(timeout(within, self.exchange(request)).await.unwrap_or(End::TimedOut))
    }

    async fn exchange(&self, prepared: &Prepared) -> End {
        let mut request = Request::new(Full::new(prepared.body.clone()));
        *request.method_mut() = prepared.method.clone();
        *request.uri_mut() = prepared.uri.clone();
        *request.headers_mut() = prepared.headers.clone();
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return End::Failed(why(&error)),
        };
        let end = judged(&response);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                return End::Failed(Cow::Borrowed("the answer broke off"));
            }
        }
        end
    }
}

impl Caller for HttpCaller {
    async fn call(&self, target: usize, within: Duration) -> (End, Option<Parts>) {
        let end = self.ask(target, within).await;
        (end.unwrap_or(End::Failed(Cow::Borrowed("no such target"))), None)
    }
}

const NO_CONNECTION: &str = "no connection";

/// What a status means for a load.
fn judged(response: &Response<hyper::body::Incoming>) -> End {
    let status = response.status();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => End::Refused {
            by: format!("status {}", status.as_u16()).into(),
            says_when: response.headers().contains_key(RETRY_AFTER),
        },
        status if status.is_success() || status.is_redirection() => End::Answered,
        status => End::Failed(format!("status {}", status.as_u16()).into()),
    }
}

/// In few words, so that calls that failed for the same reason are counted together.
fn why(error: &Error) -> Cow<'static, str> {
    if !error.is_connect() {
        return Cow::Borrowed("the connection ended before the answer");
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("{NO_CONNECTION}: {cause}").into()
}

fn client(is_encrypted: bool) -> Result<Http> {
    let mut roots = rustls::RootCertStore::empty();
    if is_encrypted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        ensure!(!roots.is_empty(), "this system has no root certificates, so no https:// can be trusted");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS cannot be had")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_nodelay(true);
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build(connector.wrap_connector(plain)))
}

impl Prepared {
    fn of(said: &Said, headers: &[(HeaderName, HeaderValue)]) -> Result<Self> {
        let Some(url) = &said.url else {
            bail!("a target has no url (a statement is called by plimsoll load sql)");
        };
        ensure!(said.sql.is_none() && said.sql_file.is_none(), "a target has both a url and a statement");
        let uri = uri(url)?;
        let body = text_or_file(said.body.as_deref(), said.body_file.as_deref(), "body")?;
        let method = said.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        let method =
            Method::try_from(method).ok().with_context(|| format!("{method:?} is no method of HTTP"))?;
        let mut all = HeaderMap::new();
        all.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("plimsoll-load/", env!("CARGO_PKG_VERSION"))),
        );
        for (name, value) in headers {
            all.insert(name.clone(), value.clone());
        }
        for (name, value) in &said.headers {
            let (name, value) = header(&format!("{name}: {value}")).map_err(anyhow::Error::msg)?;
            all.insert(name, value);
        }
        Ok(Prepared { method, uri, headers: all, body: body.map(Bytes::from).unwrap_or_default() })
    }
}

fn uri(url: &str) -> Result<Uri> {
    // What is wrong with a URL is told without it: it may hold a password.
    let uri: Uri = url.parse().ok().context("a target's URL cannot be read: write http://HOST:PORT/PATH")?;
    ensure!(
        matches!(uri.scheme_str(), Some("http" | "https")),
        "a target's URL begins with http:// or https://; a database is called by plimsoll load sql"
    );
    let authority = uri.authority().context("a target's URL has no host")?;
    ensure!(
        !authority.as_str().contains('@'),
        "a target's URL has no user and password: put them into a header (-H @FILE reads headers from a file)"
    );
    Ok(uri)
}

/// `Name: value`.
///
/// # Errors
/// It is of another form. The value is not told.
pub(super) fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(':').ok_or("write a header as 'Name: value', or @FILE")?;
    let name = HeaderName::try_from(name.trim()).map_err(|_| format!("{name:?} is no name of a header"))?;
    let value = HeaderValue::try_from(value.trim());
    let mut value = value.map_err(|_| format!("the value of the header {name} cannot be sent"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> Said {
        Said { url: Some(url.to_owned()), weight: 1, ..Said::default() }
    }

    #[test]
    fn a_target_is_named_after_its_method_and_path_and_far_hosts_are_known() {
        let body = Said { body: Some("{}".to_owned()), ..said("http://orders:8080/orders") };
        let targets =
            [said("http://[::1]:80/a?tag=t1"), said("http://LOCALHOST"), said("http://127.0.0.2/"), body];
        let (caller, shares) = HttpCaller::new(&targets, &[]).unwrap();
        let names: Vec<&str> = shares.iter().map(|share| share.name.as_str()).collect();
        assert_eq!(names, ["GET /a?tag=t1", "GET /", "GET / (2)", "POST /orders"]);
        assert_eq!(caller.far_hosts(), ["orders"]);
    }

    #[test]
    fn what_is_no_request_is_told_without_its_secrets() {
        let mut wrong: Vec<Said> =
            ["ftp://a", "a", "", "http://", "http://u:hunter2@a/", "http://a b"].map(said).to_vec();
        wrong.push(Said { method: Some("G T".to_owned()), ..said("http://a") });
        wrong.push(Said { sql: Some("SELECT 1".to_owned()), ..said("http://a") });
        wrong.push(Said {
            headers: [("A".to_owned(), "hunter2\n".to_owned() + "x")].into(),
            ..said("http://a")
        });
        wrong.push(Said::default());
        for said in wrong {
            let told = HttpCaller::new(std::slice::from_ref(&said), &[]).unwrap_err().to_string();
            assert!(!told.contains("hunter2") && told.lines().count() == 1, "{said:?}: {told}");
        }
        assert!(header("no colon").is_err() && header("a b: c").is_err() && header("A: \u{7f}").is_err());
        let (name, value) = header("Authorization: Bearer a:b").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("authorization", "Bearer a:b"));
    }
}
