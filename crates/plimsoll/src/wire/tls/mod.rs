//! TLS to the server, with rustls.
//!
//! The modes are those of libpq. `prefer` and `require` encrypt and do not look at the certificate. `verify-ca` requires
//! a certificate that a known authority signed, and so does `require` where a file of roots is named. `verify-full` requires that it also bears the host's name. The crypto
//! provider is named here and nowhere else, so a program that has installed another one is not disturbed, and a program
//! need not install any.

mod advice;
mod certificate;
mod name;
mod roots;
mod verify;

pub(super) use advice::advice;

use super::socket::{Socket, offers_tls};
use crate::settings::{TlsMode, TlsRoots};
use roots::Roots;
use rustls::ClientConfig;
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;
use verify::{Check, Verifier};

/// An encrypted stream, which knows what to bind SCRAM to.
pub(crate) type Encrypted = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// What to put around a plain TCP stream to one host.
#[derive(Clone)]
pub(crate) struct Wrapper {
    connect: MakeRustlsConnect,
    host: String,
    optional: bool,
}

impl Wrapper {
    /// The wrapper for a host whose name the certificate may have to bear.
    pub(crate) fn new(config: &Arc<ClientConfig>, host: &str, mode: TlsMode) -> Self {
        Wrapper {
            connect: MakeRustlsConnect::new(ClientConfig::clone(config)),
            host: host.to_owned(),
            optional: mode == TlsMode::Prefer,
        }
    }

    pub(crate) async fn encrypt(&self, mut stream: TcpStream) -> io::Result<Socket> {
        if !offers_tls(&mut stream).await? {
            if self.optional {
                return Ok(Socket::Tcp(stream));
            }
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the server does not offer TLS"));
        }
        let mut connect = self.connect.clone();
        let handshake = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connect, &self.host)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let encrypted = handshake.connect(stream).await?;
        Ok(Socket::Tls(Box::new(encrypted)))
    }
}

/// The client's side of TLS for a mode and its roots; `None` for `disable`. Reads certificates from disk.
pub(crate) fn configure(mode: TlsMode, roots: &TlsRoots) -> Result<Option<Arc<ClientConfig>>, String> {
    let check = match mode {
        TlsMode::Disable => return Ok(None),
        TlsMode::Prefer => Check::Nothing,
        TlsMode::Require if *roots == TlsRoots::System => Check::Nothing,
        TlsMode::Require | TlsMode::VerifyCa => Check::Chain(Roots::read(roots)?),
        TlsMode::VerifyFull => Check::ChainAndName(Roots::read(roots)?),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Verifier { algorithms: provider.signature_verification_algorithms, check };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Some(Arc::new(config)))
}
