//! The certificates that a server of the table bears, each with its key and with the file of roots beside it.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
    SigningKey,
};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode};

pub(super) const NAME: &str = "db.example.org";
pub(super) const ADDRESS: &str = "127.0.0.1";

/// One row: what a server bears, and what is made of it.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The host as it is said; what is dialled is always this machine.
    pub(super) host: &'static str,
    pub(super) chain: String,
    pub(super) key: String,
    pub(super) roots: String,
    /// What a refusal under verify-full says to do; empty where there is none.
    pub(super) advice: &'static str,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn params(common_name: &str, names: &[&str], addresses: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let names = names.iter().map(|name| SanType::DnsName((*name).try_into().unwrap()));
    let addresses = addresses.iter().map(|address| SanType::IpAddress(address.parse().unwrap()));
    params.subject_alt_names = names.chain(addresses).collect();
    params
}

fn of_an_authority(common_name: &str) -> CertificateParams {
    let mut params = params(common_name, &[], &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn authority(common_name: &str) -> Authority {
    CertifiedIssuer::self_signed(of_an_authority(common_name), KeyPair::generate().unwrap()).unwrap()
}

/// The same certificate as X.509 v1, which has no extensions.
fn as_version_1(certificate: &Certificate, signer: &KeyPair) -> String {
    let mut parsed = x509_cert::Certificate::from_der(certificate.der()).unwrap();
    parsed.tbs_certificate.version = Version::V1;
    parsed.tbs_certificate.extensions = None;
    let signature = signer.sign(&parsed.tbs_certificate.to_der().unwrap()).unwrap();
    parsed.signature = BitString::from_bytes(&signature).unwrap();
    pem::encode(&pem::Pem::new("CERTIFICATE", parsed.to_der().unwrap()))
}

/// A certificate of the authority for the host of the name.
struct Row<'a> {
    authority: &'a Authority,
    name: &'static str,
    host: &'static str,
    advice: &'static str,
}

impl Row<'_> {
    fn by(self, params: CertificateParams) -> Case {
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, self.authority).unwrap().pem();
        let roots = self.authority.pem();
        self.of(chain, &key, roots)
    }

    fn itself(self, params: CertificateParams) -> Case {
        let key = KeyPair::generate().unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        self.of(chain.clone(), &key, chain)
    }

    fn of(self, chain: String, key: &KeyPair, roots: String) -> Case {
        let Row { name, host, advice, .. } = self;
        Case { name, host, chain, key: key.serialize_pem(), roots, advice }
    }
}

/// Below an authority that may vouch for the names of this domain alone: the chain that is sent.
fn below_constrained(row: Row<'_>, domain: &str) -> Case {
    let mut of_between = of_an_authority("between");
    of_between.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(domain.to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let between =
        CertifiedIssuer::signed_by(of_between, KeyPair::generate().unwrap(), row.authority).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params(NAME, &[], &[]).signed_by(&key, &between).unwrap().pem();
    let roots = row.authority.pem();
    row.of(format!("{own}{}", between.pem()), &key, roots)
}

/// By which name or address the host is found in it.
pub(super) fn by_name() -> Vec<Case> {
    let authority = authority("the authority");
    let row = |name, host, advice| Row { authority: &authority, name, host, advice };
    let other = "hostaddr=<address>";
    vec![
        row("the name in `subjectAltName`", NAME, "").by(params("orders", &[NAME], &[])),
        row("another name in `subjectAltName`", NAME, other).by(params(
            "orders",
            &["other.example.org"],
            &[],
        )),
        row("a wildcard in `subjectAltName`", NAME, "").by(params("orders", &["*.example.org"], &[])),
        row("the name as common name alone", NAME, "").by(params(NAME, &[], &[])),
        row("the name as common name, in capitals", NAME, "").by(params("DB.Example.ORG", &[], &[])),
        row("the name as common name, another in `subjectAltName`", NAME, other).by(params(
            NAME,
            &["other.example.org"],
            &[],
        )),
        row("the name as common name, an address in `subjectAltName`", NAME, "").by(params(
            NAME,
            &[],
            &["10.0.0.1"],
        )),
        row("another common name alone", NAME, other).by(params("other.example.org", &[], &[])),
        row("a wildcard as common name alone", NAME, "").by(params("*.example.org", &[], &[])),
        row("a wildcard for two labels as common name", NAME, other).by(params("*.org", &[], &[])),
        row("the address in `subjectAltName`", ADDRESS, "").by(params("orders", &[], &[ADDRESS])),
        row("another address in `subjectAltName`", ADDRESS, other).by(params(ADDRESS, &[], &["10.0.0.1"])),
        row("the address as common name, a name in `subjectAltName`", ADDRESS, "").by(params(
            ADDRESS,
            &[NAME],
            &[],
        )),
        row("the address written as a name in `subjectAltName`", ADDRESS, other).by(params(
            "orders",
            &[ADDRESS],
            &[],
        )),
        row("a wildcard for a part of the address as common name", ADDRESS, other).by(params(
            "*.0.0.1",
            &[],
            &[],
        )),
        below_constrained(
            row("the name as common name alone, its authority constrained to that", NAME, other),
            "example.org",
        ),
        below_constrained(
            row("the name as common name alone, its authority constrained to others", NAME, other),
            "other.org",
        ),
    ]
}

/// Who vouches for it.
pub(super) fn by_chain() -> Vec<Case> {
    let authority = authority("the authority");
    let between =
        CertifiedIssuer::signed_by(of_an_authority("between"), KeyPair::generate().unwrap(), &authority)
            .unwrap();
    let row = |name, advice| Row { authority: &authority, name, host: NAME, advice };
    let good = || params(NAME, &[NAME], &[]);
    let key = KeyPair::generate().unwrap();
    let issued = |by: &Authority| good().signed_by(&key, by).unwrap();
    let (direct, below) = (issued(&authority).pem(), issued(&between).pem());
    let chain = format!("{below}{}", between.pem());
    let both = format!("{}{}", between.pem(), authority.pem());
    let stranger = self::authority("a stranger").pem();
    let no_chain = "let ssl_cert_file hold";
    let version_1 = as_version_1(&good().self_signed(&key).unwrap(), &key);
    let issued_version_1 = as_version_1(&issued(&authority), authority.key());
    let mut of_an_authority = good();
    of_an_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut for_signing = of_an_authority.clone();
    for_signing.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    vec![
        row("an unknown authority's", no_chain).of(direct.clone(), &key, stranger),
        row("below an intermediate one that is sent", "").of(chain, &key, authority.pem()),
        row("below an intermediate one that is not sent", no_chain).of(below.clone(), &key, authority.pem()),
        row("below an intermediate one that is among the roots with its own", "").of(
            below.clone(),
            &key,
            both,
        ),
        row("below an intermediate one that is the only root", "").of(below, &key, between.pem()),
        row("itself the only root, but not self-signed", no_chain).of(direct.clone(), &key, direct),
        row("self-signed, itself the root", "").itself(good()),
        row("self-signed with `CA:TRUE`, itself the root", "").itself(of_an_authority),
        row("self-signed for signing alone, itself the root", "extendedKeyUsage serverAuth")
            .itself(for_signing),
        row("X.509 v1, self-signed, itself the root", "").of(version_1.clone(), &key, version_1.clone()),
        row("X.509 v1, self-signed, unknown", "X.509 v3").of(version_1, &key, authority.pem()),
        row("X.509 v1 from the authority", "X.509 v3").of(issued_version_1, &key, authority.pem()),
    ]
}

/// When and for what it may be used.
pub(super) fn by_use() -> Vec<Case> {
    let authority = authority("the authority");
    let row = |name, advice| Row { authority: &authority, name, host: NAME, advice };
    let mut over = params(NAME, &[NAME], &[]);
    over.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut to_come = params(NAME, &[NAME], &[]);
    to_come.not_before = rcgen::date_time_ymd(4000, 1, 1);
    let mut for_clients = params(NAME, &[NAME], &[]);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    vec![
        row("expired", "give the server a new one").by(over.clone()),
        row("expired, self-signed, itself the root", "give the server a new one").itself(over),
        row("not yet valid", "look at this machine's clock").by(to_come),
        row("for clients alone", "extendedKeyUsage serverAuth").by(for_clients),
    ]
}
