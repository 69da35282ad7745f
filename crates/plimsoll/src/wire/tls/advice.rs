//! What to do about a TLS that did not come about.
//!
//! Chains are verified by webpki alone, which in some things is stricter than OpenSSL. So each refusal says how the server's
//! certificate is put right; which `sslmode` asks for less is said beside it.

use rustls::{AlertDescription, CertificateError};
use std::io;

/// What to do, where the kind of the refusal tells.
pub(crate) fn advice(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        ) => Some(
            "the server must speak TLS 1.2 or later, with a cipher of today: see ssl_min_protocol_version and ssl_ciphers",
        ),
        _ => None,
    }
}

fn of_certificate(error: &CertificateError) -> Option<&'static str> {
    Some(match error {
        CertificateError::UnknownIssuer => {
            "its authority is not among the roots, or the server does not send what lies between: let ssl_cert_file hold \
             the server's certificate and then the intermediate ones"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect by a name that it bears (hostaddr=<address> beside host=<name> dials an address), give the server one \
             whose subjectAltName has this name, or say sslmode=verify-ca, which looks at no name"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "give the server a new one (ssl_cert_file, then a reload), and look at this machine's clock"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "look at this machine's clock, and at the server's certificate"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "give the server a certificate for servers (extendedKeyUsage serverAuth, keyUsage digitalSignature)"
        }
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "neither SHA-1 nor an RSA key of less than 2048 bits is taken: give the server a certificate of today, in a \
             chain of such"
        }
        CertificateError::Other(other) => return of_webpki(other.0.downcast_ref::<webpki::Error>()?),
        _ => return None,
    })
}

fn of_webpki(error: &webpki::Error) -> Option<&'static str> {
    Some(match error {
        webpki::Error::CaUsedAsEndEntity => {
            "it is one of an authority (CA:TRUE): name this very certificate with sslrootcert=<file> if it is self-signed, \
             or give the server one with CA:FALSE"
        }
        webpki::Error::UnsupportedCertVersion => {
            "it is not X.509 v3: name this very certificate with sslrootcert=<file> if it is self-signed, or give the \
             server one of v3, which any extension makes it (subjectAltName)"
        }
        webpki::Error::UnsupportedCriticalExtension => {
            "it has a critical extension that is not known here: give the server one without"
        }
        _ => return None,
    })
}
