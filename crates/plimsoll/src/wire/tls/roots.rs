//! The certificates against which a server's is verified.

use crate::settings::TlsRoots;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;

/// The roots of chains; and those that a file named, which may also be a server's own.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// Never the system's: an authority of the public uses none of its own certificates for a database.
    named: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// Reads them from disk.
    pub(super) fn read(roots: &TlsRoots) -> Result<Self, String> {
        match roots {
            TlsRoots::System => Roots::of_the_system(),
            TlsRoots::File(path) => Roots::of_the_file(path),
        }
    }

    /// Whether one of them may vouch for certain names alone.
    pub(super) fn constrain_names(&self) -> bool {
        self.store.roots.iter().any(|root| root.name_constraints.is_some())
    }

    /// Whether the file holds this very certificate.
    pub(super) fn hold(&self, certificate: &CertificateDer<'_>) -> bool {
        self.named.iter().any(|named| named.as_ref() == certificate.as_ref())
    }

    fn of_the_system() -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        match store.is_empty() {
            true => Err(format!("no root certificates were found on this system ({:?})", found.errors)),
            false => Ok(Roots { store, named: Vec::new() }),
        }
    }

    fn of_the_file(path: &Path) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        let certificates = CertificateDer::pem_file_iter(path)
            .map_err(|error| format!("cannot read sslrootcert {}: {error}", path.display()))?;
        let mut named = Vec::new();
        for certificate in certificates {
            let certificate = certificate
                .map_err(|error| format!("sslrootcert {} is no PEM file: {error}", path.display()))?;
            store
                .add(certificate.clone())
                .map_err(|error| format!("sslrootcert {} holds no usable root: {error}", path.display()))?;
            named.push(certificate);
        }
        match store.is_empty() {
            true => Err(format!("sslrootcert {} holds no certificate", path.display())),
            false => Ok(Roots { store, named }),
        }
    }
}
