//! One try of a webhook: one request on one connection, which goes to an address that was checked.
//!
//! There is no pool, no proxy and no redirect here to be turned off. A name is looked up once for each try; what it leads to is
//! filtered by [`Networks`], and the connection is opened to the addresses that remain, in their order, so that no second
//! answer of the name counts. Of the answer the status and `Retry-After` are read and its body is not.

use super::Outcome;
use super::address::{Networks, NotTaken, Target};
use super::retry::retry_after;
use super::signature;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What is read of an answer's headers.
const LARGEST_HEAD: usize = 16 * 1024;

/// What a connection to one of several addresses may take.
const TO_CONNECT: Duration = Duration::from_secs(3);

/// What an answer from which nothing follows but another try is called.
const TEMPORARY: [u16; 3] = [408, 425, 429];

/// Finds the addresses of a name.
pub type Resolver = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// A message, as it is posted.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The same for each try.
    pub key: &'a str,
    /// What has happened.
    pub event: &'a str,
    /// JSON.
    pub body: &'a str,
    /// What it is signed with; without one it is not signed.
    pub secret: Option<&'a str>,
}

/// Sends webhooks.
#[derive(Clone)]
pub struct Webhooks {
    networks: Networks,
    resolver: Resolver,
    /// Without it the system has no root certificates, and no receiver can be proved.
    tls: Option<Arc<ClientConfig>>,
    limit: Duration,
}

impl Webhooks {
    /// With the system's resolver and root certificates; a try may take so long.
    #[must_use]
    pub fn new(networks: Networks, limit: Duration) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = if roots.is_empty() { None } else { Webhooks::trusting(roots) };
        if tls.is_none() {
            tracing::warn!(
                "no root certificates were found on this system, so no webhook can be sent by https"
            );
        }
        Webhooks { networks, resolver: Arc::new(look_up), tls, limit }
    }

    /// The same with another way to find addresses.
    #[must_use]
    pub fn resolver(self, resolver: Resolver) -> Self {
        Webhooks { resolver, ..self }
    }

    /// The same with these root certificates.
    #[must_use]
    pub fn roots(self, roots: RootCertStore) -> Self {
        Webhooks { tls: Webhooks::trusting(roots), ..self }
    }

    fn trusting(roots: RootCertStore) -> Option<Arc<ClientConfig>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
        Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    /// The networks that may be reached beside the public ones.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// Tries once to deliver a message; never longer than the limit.
    ///
    /// # Cancel safety
    /// Dropped, the receiver may have it or not.
    pub async fn post(&self, address: &str, message: Message<'_>) -> Outcome {
        let target = match Target::parse(address, &self.networks) {
            Ok(target) => target,
            Err(why) => return Outcome::dead(why.why()),
        };
        match timeout(self.limit, self.exchange(&target, message)).await {
            Ok(Ok(answer)) => judged(&answer, Timestamp::now()),
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::retry(format!("{target} gave no answer within {} ms", self.limit.as_millis())),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        message: Message<'_>,
    ) -> Result<Response<hyper::body::Incoming>, Outcome> {
        let request = request(target, message)?;
        let wire = self.connect(target).await?;
        if !target.is_encrypted() {
            return ask(wire, request, target).await;
        }
        let config =
            self.tls.clone().ok_or_else(|| Outcome::retry("this system has no root certificates"))?;
        let name = ServerName::try_from(target.name()).map_err(|_| Outcome::dead(NotTaken::NoUrl.why()))?;
        let wire = TlsConnector::from(config).connect(name, wire).await;
        // The library's text names the certificate's fault, and nothing of the message.
        let wire =
            wire.map_err(|error| Outcome::retry(format!("the TLS handshake with {target} failed: {error}")))?;
        ask(wire, request, target).await
    }

    /// A connection to the first of the checked addresses that takes one.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Outcome> {
        let addresses = match target.address() {
            Some(address) => vec![address],
            None => (self.resolver)(target.name(), target.port()).await.map_err(|error| {
                Outcome::retry(format!("the name of {target} could not be looked up: {error}"))
            })?,
        };
        let (mut failed, mut refused) = (None, None);
        for address in addresses {
            if let Err(why) = self.networks.check(target, address) {
                refused = Some(Outcome::dead(why.why()));
                continue;
            }
            match timeout(TO_CONNECT, TcpStream::connect(SocketAddr::new(address, target.port()))).await {
                Ok(Ok(wire)) => return Ok(wire),
                Ok(Err(error)) => failed = Some(format!("no connection to {target}: {}", error.kind())),
                Err(_) => {
                    failed = Some(format!("no connection to {target} within {} s", TO_CONNECT.as_secs()))
                }
            }
        }
        let nowhere = || Outcome::retry(format!("the name of {target} leads to no address"));
        Err(failed.map(Outcome::retry).or(refused).unwrap_or_else(nowhere))
    }
}

/// The system's own way, which reads `/etc/hosts` too; what it finds is checked like any other answer.
fn look_up(name: String, port: u16) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name.as_str(), port)).await?;
        Ok(found.map(|address| address.ip()).collect())
    })
}

fn request(target: &Target, message: Message<'_>) -> Result<Request<Full<Bytes>>, Outcome> {
    let body = Full::new(Bytes::copy_from_slice(message.body.as_bytes()));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target.path())
        .header(header::HOST, target.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("fleet/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .header(HeaderName::from_static("idempotency-key"), message.key)
        .header(HeaderName::from_static("x-fleet-event"), message.event);
    if let Some(secret) = message.secret {
        let signed = signature::of(secret, Timestamp::now(), message.body);
        request = request.header(HeaderName::from_static(signature::HEADER), signed);
    }
    request.body(body).map_err(|_| Outcome::dead(NotTaken::NoUrl.why()))
}

/// Sends the request, and reads the head of the answer.
async fn ask<W>(
    wire: W,
    request: Request<Full<Bytes>>,
    target: &Target,
) -> Result<Response<hyper::body::Incoming>, Outcome>
where
    W: AsyncRead + AsyncWrite + Unpin,
{
    let broken =
        |error: hyper::Error| Outcome::retry(format!("{target} did not answer as HTTP servers do: {error}"));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .handshake(TokioIo::new(wire))
        .await
        .map_err(broken)?;
    let mut answered = std::pin::pin!(sender.send_request(request));
    // The connection moves the bytes; when it ends first, the answer is there or never will be.
    tokio::select! {
        answer = &mut answered => answer,
        _ = connection => answered.await,
    }
    .map_err(broken)
}

/// What an answer comes to. 2xx is taken; a redirect is not followed, since it could lead anywhere; 410 is the receiver's word
/// for never again. Everything else may be different another time.
fn judged<B>(answer: &Response<B>, now: Timestamp) -> Outcome {
    let (status, code) = (answer.status(), answer.status().as_u16());
    if status.is_success() {
        return Outcome::Sent { status: code };
    }
    if status.is_redirection() {
        let why =
            format!("it answered {code}, a redirect, which is not followed: name the last address itself");
        return Outcome::Dead { status: Some(code), why };
    }
    if code == 410 {
        return Outcome::Dead { status: Some(code), why: "it answered 410: it is gone for good".to_owned() };
    }
    let is_asked = status.is_server_error() || TEMPORARY.contains(&code);
    let said = answer.headers().get(header::RETRY_AFTER).filter(|_| is_asked);
    let after =
        said.and_then(|said: &HeaderValue| said.to_str().ok()).and_then(|said| retry_after(said, now));
    Outcome::Retry { status: Some(code), why: format!("it answered {code}"), after }
}
