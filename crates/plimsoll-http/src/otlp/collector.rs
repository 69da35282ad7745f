//! The way to the collector: one request on one connection, by a limit of its own.
//!
//! The SDK calls this on a thread of its own, which may wait. So the runtime here has no thread: it runs while a request is
//! under way, and a service whose workers are all busy, or that is just stopping, does not hold the request up.

use super::options::{OtlpError, Plan};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// A collector answers with a few bytes; what is larger is no answer of one.
const LARGEST_ANSWER: usize = 1 << 20;

/// Sends requests to one collector.
pub(super) struct Collector {
    runtime: Option<Runtime>,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    limit: Duration,
    last: Mutex<Failure>,
}

/// Why a request failed. It tells nothing of what was sent, or of what the collector said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unreachable(std::io::ErrorKind),
    Tls,
    TimedOut(Duration),
    BrokenOff,
    TooLarge,
    Status(u16),
    /// It was called where it cannot wait.
    Misplaced,
    Unknown,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable(kind) => write!(f, "no connection to it ({kind})"),
            Failure::Tls => f.write_str("the TLS handshake failed; is its certificate known to this system?"),
            Failure::TimedOut(limit) => write!(f, "no answer within {:.1} s", limit.as_secs_f64()),
            Failure::BrokenOff => f.write_str("the connection was ended before its answer"),
            Failure::TooLarge => f.write_str("its answer was too large for one of a collector"),
            Failure::Status(status) => write!(f, "it answered with status {status}"),
            Failure::Misplaced => f.write_str("it was sent from inside a runtime"),
            Failure::Unknown => f.write_str("the exporter refused them"),
        }
    }
}

impl std::error::Error for Failure {}

impl Collector {
    /// A way to the collector of this plan. Reads the system's root certificates if it is encrypted.
    pub(super) fn new(plan: &Plan) -> Result<Self, OtlpError> {
        let tls = match plan.is_encrypted {
            true => Some(encryption(&plan.host)?),
            false => None,
        };
        Ok(Collector {
            runtime: Some(Builder::new_current_thread().enable_io().enable_time().build()?),
            host: plan.host.clone(),
            port: plan.port,
            tls,
            headers: plan.headers.clone(),
            limit: plan.timeout,
            last: Mutex::new(Failure::Unknown),
        })
    }

    /// Its host and port, for the log.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Why the last request failed.
    pub(super) fn last_failure(&self) -> Failure {
        *self.last.lock()
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        *self.last.lock() = Failure::Unknown;
        let runtime = self.runtime.as_ref().filter(|_| Handle::try_current().is_err());
        let answer = match runtime {
            Some(runtime) => runtime.block_on(async {
                timeout(self.limit, self.exchange(request))
                    .await
                    .unwrap_or(Err(Failure::TimedOut(self.limit)))
            }),
            None => Err(Failure::Misplaced),
        };
        let failure = match &answer {
            Ok(response) if response.status().is_success() => return answer,
            Ok(response) => Failure::Status(response.status().as_u16()),
            Err(failure) => *failure,
        };
        *self.last.lock() = failure;
        answer
    }

    async fn exchange(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        // HTTP/1.1 wants the host in a header, and only the path in its first line.
        if let Some(host) =
            request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let path = request.uri().path_and_query().map(|path| path.as_str().to_owned());
        *request.uri_mut() = path.and_then(|path| path.parse().ok()).unwrap_or_default();
        let wire = TcpStream::connect((self.host.as_str(), self.port)).await;
        let wire = wire.map_err(|error| Failure::Unreachable(error.kind()))?;
        match &self.tls {
            Some((connector, name)) => {
                let wire = connector.connect(name.clone(), wire).await.map_err(|_| Failure::Tls)?;
                ask(wire, request).await
            }
            None => ask(wire, request).await,
        }
    }
}

/// Sends the request and reads the whole answer.
async fn ask<W>(wire: W, request: Request<Bytes>) -> Result<Response<Bytes>, Failure>
where
    W: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(wire)).await.map_err(|_| Failure::BrokenOff)?;
    let answered = async {
        let response = sender.send_request(request.map(Full::new)).await.map_err(|_| Failure::BrokenOff)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
            true => Failure::TooLarge,
            false => Failure::BrokenOff,
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let mut answered = std::pin::pin!(answered);
    // The connection moves the bytes; when it ends first, the answer is there or never will be.
    tokio::select! {
        answer = &mut answered => answer,
        _ = connection => answered.await,
    }
}

/// TLS by the system's root certificates.
fn encryption(host: &str) -> Result<(TlsConnector, ServerName<'static>), OtlpError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(OtlpError::Tls("this system has no root certificates".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OtlpError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned());
    let name =
        name.map_err(|_| OtlpError::Tls("the collector's host is no name for a certificate".to_owned()))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

impl HttpClient for Collector {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move { self.send(request).map_err(HttpError::from) })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("name", &self.name()).finish()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        // A name that is being looked up is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
