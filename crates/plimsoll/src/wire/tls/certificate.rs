//! What a certificate says, also where the library that verifies chains does not read it.
//!
//! webpki reads X.509 v3 only, and refuses a certificate as a whole if it has a critical extension that it does not know.
//! Where nothing is verified but the handshake's signature, or where the certificate itself is among the roots, no more than
//! this is needed of it: its key, its names, its time and its purpose.

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::oid::db::rfc5280::ID_KP_SERVER_AUTH;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAltName};

/// The extensions that are looked at here or that do not matter to a certificate which stands for itself.
const KNOWN: [ObjectIdentifier; 4] =
    [BasicConstraints::OID, KeyUsage::OID, ExtendedKeyUsage::OID, SubjectAltName::OID];

pub(super) struct Certificate(x509_cert::Certificate);

impl Certificate {
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        x509_cert::Certificate::from_der(der)
            .map(Certificate)
            .map_err(|_| CertificateError::BadEncoding.into())
    }

    pub(super) fn public_key(&self) -> Result<SubjectPublicKeyInfoDer<'static>, rustls::Error> {
        let key = self.0.tbs_certificate.subject_public_key_info.to_der();
        key.map(SubjectPublicKeyInfoDer::from).map_err(|_| CertificateError::BadEncoding.into())
    }

    /// Its first common name, as the bytes that stand there.
    pub(super) fn common_name(&self) -> Option<&[u8]> {
        let parts = self.0.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
        parts.filter(|part| part.oid == COMMON_NAME).map(|part| part.value.value()).next()
    }

    /// Whether `subjectAltName` has a name of the host's kind: names of hosts or addresses. Then the common name does not
    /// count. One that cannot be read counts as one that has.
    pub(super) fn has_names_of_the_kind_of(&self, host: &ServerName<'_>) -> bool {
        let names = match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0,
            Ok(None) => return false,
            Err(_) => return true,
        };
        names.iter().any(|name| match (name, host) {
            (GeneralName::DnsName(_), ServerName::DnsName(_)) => true,
            (GeneralName::IpAddress(_), ServerName::IpAddress(_)) => true,
            // To libpq an address of another length is an error as well.
            (GeneralName::IpAddress(address), _) => !matches!(address.as_bytes().len(), 4 | 16),
            _ => false,
        })
    }

    /// Whether it is an authority's that may vouch for certain names alone.
    pub(super) fn constrains_names(&self) -> bool {
        let extensions = self.0.tbs_certificate.extensions.iter().flatten();
        extensions.into_iter().any(|extension| extension.extn_id == NameConstraints::OID)
    }

    /// Whether it names itself as its issuer.
    pub(super) fn is_self_issued(&self) -> bool {
        self.0.tbs_certificate.issuer == self.0.tbs_certificate.subject
    }

    /// Whether a server may use it now: what OpenSSL asks of a certificate that is itself among the roots.
    pub(super) fn may_serve(&self, now: UnixTime) -> Result<(), CertificateError> {
        let of = |time: x509_cert::time::Time| UnixTime::since_unix_epoch(time.to_unix_duration());
        let certificate = &self.0.tbs_certificate;
        let (not_before, not_after) =
            (of(certificate.validity.not_before), of(certificate.validity.not_after));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before });
        }
        if now > not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after });
        }
        let unknown =
            |extension: &x509_cert::ext::Extension| extension.critical && !KNOWN.contains(&extension.extn_id);
        if certificate.extensions.iter().flatten().any(unknown) {
            return Err(CertificateError::UnhandledCriticalExtension);
        }
        let purposes = certificate.get::<ExtendedKeyUsage>().map_err(|_| CertificateError::BadEncoding)?;
        let usage = certificate.get::<KeyUsage>().map_err(|_| CertificateError::BadEncoding)?;
        let is_for_servers = purposes.is_none_or(|(_, purposes)| purposes.0.contains(&ID_KP_SERVER_AUTH));
        let may_shake_hands = usage.is_none_or(|(_, usage)| {
            usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
        });
        match is_for_servers && may_shake_hands {
            true => Ok(()),
            false => Err(CertificateError::InvalidPurpose),
        }
    }
}
