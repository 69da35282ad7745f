//! TLS to the server, with rustls.
//!
//! The modes are those of libpq. `prefer` and `require` encrypt and do not look at the certificate. `verify-ca` requires
//! a certificate that a known authority signed, and so does `require` where a file of roots is named. `verify-full` requires that it also bears the host's name. The crypto
//! provider is named here and nowhere else, so a program that has installed another one is not disturbed, and a program
//! need not install any.

use super::socket::{Socket, offers_tls};
use crate::settings::{TlsMode, TlsRoots};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

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
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        TlsMode::Disable => return Ok(None),
        TlsMode::Prefer => Arc::new(LenientVerifier { provider: Arc::clone(&provider), authority: None }),
        TlsMode::Require if *roots == TlsRoots::System => {
            Arc::new(LenientVerifier { provider: Arc::clone(&provider), authority: None })
        }
        TlsMode::Require | TlsMode::VerifyCa => {
            let authority = Some(verifier(roots, &provider)?);
            Arc::new(LenientVerifier { provider: Arc::clone(&provider), authority })
        }
        TlsMode::VerifyFull => verifier(roots, &provider)?,
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Some(Arc::new(config)))
}

fn verifier(roots: &TlsRoots, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut store = RootCertStore::empty();
    match roots {
        TlsRoots::System => {
            let found = rustls_native_certs::load_native_certs();
            store.add_parsable_certificates(found.certs);
            if store.is_empty() {
                return Err(format!("no root certificates were found on this system ({:?})", found.errors));
            }
        }
        TlsRoots::File(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .map_err(|error| format!("cannot read sslrootcert {}: {error}", path.display()))?;
            for certificate in certificates {
                let certificate = certificate
                    .map_err(|error| format!("sslrootcert {} is no PEM file: {error}", path.display()))?;
                store.add(certificate).map_err(|error| {
                    format!("sslrootcert {} holds no usable root: {error}", path.display())
                })?;
            }
            if store.is_empty() {
                return Err(format!("sslrootcert {} holds no certificate", path.display()));
            }
        }
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

/// Checks less than rustls does by itself; the handshake's signature is checked in any case.
#[derive(Debug)]
struct LenientVerifier {
    provider: Arc<CryptoProvider>,
    /// With an authority (`verify-ca`) the certificate must be signed by one that is known, whatever name it bears.
    /// Without one (`require` and `prefer`) every certificate is accepted.
    authority: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        match authority.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
