//! What a server's certificate must be, by mode.
//!
//! webpki verifies chains, and there is no builder of chains here. Around it are three things that libpq accepts and webpki
//! does not: any certificate at all, also of X.509 v1, where nothing is to be verified; a self-signed certificate that the
//! file of roots holds itself; and the common name where `subjectAltName` has none of the host's kind. Where libpq is laxer
//! in anything else, this stays stricter. The handshake's signature is verified in every mode.

use super::certificate::Certificate;
use super::name;
use super::roots::Roots;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, PeerMisbehaved, SignatureScheme};

/// What is verified besides the handshake's signature.
#[derive(Debug)]
pub(super) enum Check {
    /// Nothing (`prefer`; `require` without a file of roots).
    Nothing,
    /// That one of the roots vouches for it (`verify-ca`; `require` with a file of roots).
    Chain(Roots),
    /// That, and that it bears the host's name (`verify-full`).
    ChainAndName(Roots),
}

#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    pub(super) check: Check,
}

impl Verifier {
    fn verify_chain(
        &self,
        roots: &Roots,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let chained = ParsedCertificate::try_from(certificate).and_then(|parsed| {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &roots.store, intermediates, now, algorithms)
        });
        match chained {
            Err(error) if roots.hold(certificate) => vouches_for_itself(certificate, now, error),
            chained => chained,
        }
    }
}

/// The file of roots holds this very certificate. OpenSSL looks for the issuer of one that is not self-signed even then.
fn vouches_for_itself(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
    otherwise: rustls::Error,
) -> Result<(), rustls::Error> {
    let certificate = Certificate::read(certificate)?;
    match certificate.is_self_issued() {
        true => Ok(certificate.may_serve(now)?),
        false => Err(otherwise),
    }
}

/// Whether one of those that may have vouched for it can do so for certain names alone. webpki holds the names of
/// `subjectAltName` against such a constraint and no common name, so below such an authority none counts.
fn constrain_names(roots: &Roots, intermediates: &[CertificateDer<'_>]) -> bool {
    roots.constrain_names()
        || intermediates.iter().any(|der| Certificate::read(der).map_or(true, |one| one.constrains_names()))
}

/// The names of `subjectAltName` count, as webpki takes them; where none of them is of the host's kind, the common name does.
fn verify_name(
    roots: &Roots,
    der: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    host: &ServerName<'_>,
) -> Result<(), rustls::Error> {
    let certificate = match Certificate::read(der) {
        Ok(certificate)
            if !certificate.has_names_of_the_kind_of(host) && !constrain_names(roots, intermediates) =>
        {
            certificate
        }
        _ => return verify_server_name(&ParsedCertificate::try_from(der)?, host),
    };
    let common_name = certificate.common_name();
    if common_name.is_some_and(|found| name::stands_for(found, &host.to_str())) {
        return Ok(());
    }
    let shown = |name: &[u8]| String::from_utf8_lossy(name).escape_debug().to_string();
    Err(CertificateError::NotValidForNameContext {
        expected: host.to_owned(),
        presented: common_name.map(shown).into_iter().collect(),
    }
    .into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.check {
            Check::Nothing => {}
            Check::Chain(roots) => self.verify_chain(roots, certificate, intermediates, now)?,
            Check::ChainAndName(roots) => {
                self.verify_chain(roots, certificate, intermediates, now)?;
                verify_name(roots, certificate, intermediates, host)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if ParsedCertificate::try_from(certificate).is_ok() {
            return rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.algorithms);
        }
        let key = Certificate::read(certificate)?.public_key()?;
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        // In TLS 1.2 a scheme leaves the curve open, so each that it may stand for is tried.
        let candidates = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
        let (_, candidates) = candidates.ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let fits = candidates
            .iter()
            .any(|algorithm| key.verify_signature(*algorithm, message, signature.signature()).is_ok());
        match fits {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if ParsedCertificate::try_from(certificate).is_ok() {
            return rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.algorithms);
        }
        let key = Certificate::read(certificate)?.public_key()?;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
