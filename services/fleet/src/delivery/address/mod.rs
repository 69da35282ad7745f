//! Where a webhook may go: to the public internet by HTTPS, and nowhere else.
//!
//! Who writes the address of a webhook is a tenant; who opens the connection is this service, which stands inside a network
//! where much is open that must not be. So an address is judged twice. [`Target::parse`] judges what is written: the scheme,
//! the port, a host that is an address in any notation (`2130706433`, `0x7f.1` and `[::ffff:127.0.0.1]` are read as the
//! addresses that they mean). [`Networks::check`] judges each address that a name has led to, and the connection goes to that
//! address and to no second answer of the name.
//!
//! What is public is said by what is not refused: of IPv4, everything but the special blocks; of IPv6, only the block from which
//! addresses are given out, without those parts of it that carry an IPv4 address inside or belong to no one.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// The longest address of a webhook.
const LONGEST: usize = 2048;

/// The ports of HTTPS.
const PORTS: [u16; 2] = [443, 8443];

const fn v4(address: [u8; 4], length: u8) -> Ipv4Net {
    let [a, b, c, d] = address;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// Blocks of IPv4 that are not public: "this network", private, shared by providers (CGNAT), loopback, link-local (where the
/// clouds keep their metadata), protocol assignments, documentation, the relays of 6to4, benchmarks, multicast, reserved.
const SPECIAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// The block of IPv6 from which addresses are given out. What maps, translates or embeds IPv4 (`::ffff:0:0/96`,
/// `64:ff9b::/96`), what is local, and multicast are outside.
const GIVEN_OUT: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Parts of it that are not public: protocol assignments with Teredo, documentation (twice), 6to4.
const SPECIAL_V6: [Ipv6Net; 4] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    Ipv6Net::new_assert(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    Ipv6Net::new_assert(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one of the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.contains(&address)),
        IpAddr::V6(address) => {
            GIVEN_OUT.contains(&address) && !SPECIAL_V6.iter().any(|block| block.contains(&address))
        }
    }
}

/// Why an address is not taken. It names no address: who asks should not learn what lies inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is no URL that could be called.
    NoUrl,
    /// It is not https.
    Scheme,
    /// It carries a name or a password.
    UserInfo,
    /// Its port is none of HTTPS.
    Port,
    /// It leads to an address that is not public.
    NotPublic,
}

impl NotTaken {
    /// In a sentence.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            NotTaken::NoUrl => {
                "the address is no URL such as https://example.com/alerts, of at most 2048 characters"
            }
            NotTaken::Scheme => "the address does not begin with https://",
            NotTaken::UserInfo => "the address has a name or a password before its host; neither is sent",
            NotTaken::Port => "the address has a port other than 443 and 8443",
            NotTaken::NotPublic => "the address does not lead to a host on the public internet",
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

/// Networks that may be reached although they are not public, also by http and on any port. Usually there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Networks as they are said, with commas between: `127.0.0.0/8, fd00::/8`. A single address is a network of one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let one = |said: &str| match said.parse::<IpNet>() {
            Ok(network) => Some(network),
            Err(_) => said.parse::<IpAddr>().ok().map(IpNet::from),
        };
        text.split(',')
            .map(str::trim)
            .filter(|said| !said.is_empty())
            .map(one)
            .collect::<Option<_>>()
            .map(Networks)
    }

    fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether a connection may be opened to this address for this target.
    ///
    /// # Errors
    /// [`NotTaken::NotPublic`]; [`NotTaken::Scheme`] and [`NotTaken::Port`] for what only a named network may have.
    pub fn check(&self, target: &Target, address: IpAddr) -> Result<(), NotTaken> {
        if self.contain(address) {
            return Ok(());
        }
        if !is_public(address) {
            return Err(NotTaken::NotPublic);
        }
        if !target.is_encrypted {
            return Err(NotTaken::Scheme);
        }
        if PORTS.contains(&target.port) { Ok(()) } else { Err(NotTaken::Port) }
    }
}

/// Whether a text is meant as the address of a webhook, and not as a name or an address for mail.
#[must_use]
pub fn is_meant_as_webhook(text: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme)))
}

/// Where a webhook goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address in its usual form.
    host: Host<String>,
    port: u16,
    is_encrypted: bool,
    /// With the query.
    path: String,
}

impl Target {
    /// Reads an address, and judges what can be judged without asking what its name leads to.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn parse(text: &str, networks: &Networks) -> Result<Self, NotTaken> {
        let is_plain =
            text.len() <= LONGEST && !text.chars().any(|letter| letter.is_control() || letter == ' ');
        let url = Url::parse(text).ok().filter(|_| is_plain).ok_or(NotTaken::NoUrl)?;
        let is_encrypted = match url.scheme() {
            "https" => true,
            "http" if !networks.are_none() => false,
            _ => return Err(NotTaken::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotTaken::UserInfo);
        }
        let host = url.host().ok_or(NotTaken::NoUrl)?.to_owned();
        let port = url.port_or_known_default().ok_or(NotTaken::NoUrl)?;
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let target = Target { host, port, is_encrypted, path };
        match target.address() {
            Some(address) => networks.check(&target, address)?,
            None if networks.are_none() && !PORTS.contains(&port) => return Err(NotTaken::Port),
            None => {}
        }
        Ok(target)
    }

    /// The address that is written as the host, where it is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        }
    }

    /// The host without the brackets of an address, as names are looked up and certificates are checked.
    pub(super) fn name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// As the header `Host` has it.
    pub(super) fn authority(&self) -> String {
        match (self.is_encrypted, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

/// Without the path and the query, which may hold a secret.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_encrypted { "https" } else { "http" }, self.authority())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
