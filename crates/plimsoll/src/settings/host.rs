//! The address of a server: a name and a port, or the directory of a Unix socket.
//!
//! There is one type for both, because a list may contain both, and because the first question about an address is
//! whether it leaves this machine: if it does, the certificate is verified unless `sslmode` says otherwise.
//!
//! The text forms are `db1`, `db1:5433`, `10.0.0.7:5433`, `[::1]:5433`, `::1`, `/run/postgresql` and
//! `/run/postgresql:5433`; a list is separated by commas. Nothing else is accepted. In particular, a whole URL is not
//! a host. Since it will be tried, a text that contains an `@` is refused and not printed.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The port of a host that is named without one, if `port` is not set either.
pub(crate) const DEFAULT_PORT: u16 = 5432;

/// The usual ports of poolers: PgBouncer's own, and that of hosted poolers.
pub(crate) const POOLER_PORTS: [u16; 2] = [6432, 6543];

/// The address that is dialled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A name to be resolved, or an IP address, without brackets.
    Tcp(String),
    /// The directory of a Unix socket.
    Unix(PathBuf),
}

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    address: Address,
    port: Option<u16>,
    /// Dialled instead of looking the name up.
    dialled: Option<IpAddr>,
}

impl Host {
    /// A server at a name or an IP address.
    pub fn tcp(name: impl Into<String>) -> Self {
        Self { address: Address::Tcp(name.into()), port: None, dialled: None }
    }

    /// A server whose socket is in this directory.
    pub fn unix(directory: impl Into<PathBuf>) -> Self {
        Self { address: Address::Unix(directory.into()), port: None, dialled: None }
    }

    /// The same server at this port.
    pub fn at_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The same server, dialled at this address instead of looking its name up (libpq's `hostaddr`). Its certificate is held
    /// against the name all the same.
    pub fn dialled_at(mut self, ip: IpAddr) -> Self {
        self.dialled = Some(ip);
        self
    }

    /// The address that is dialled instead of looking the name up, if one was given.
    pub fn dialled(&self) -> Option<IpAddr> {
        self.dialled
    }

    /// The address that is dialled, unless [`dialled`](Self::dialled) says otherwise.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The port; 5432 if none was given.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(DEFAULT_PORT)
    }

    /// Whether traffic to it stays on this machine: a Unix socket, `localhost`, 127.0.0.0/8 or `::1`.
    pub fn is_local(&self) -> bool {
        if let Some(ip) = self.dialled {
            return ip.to_canonical().is_loopback();
        }
        match &self.address {
            Address::Unix(_) => true,
            Address::Tcp(name) => match name.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => {
                    let name = name.trim_end_matches('.').to_ascii_lowercase();
                    name == "localhost" || name.ends_with(".localhost")
                }
            },
        }
    }

    /// Whether its port is a usual one of poolers.
    pub fn has_pooler_port(&self) -> bool {
        POOLER_PORTS.contains(&self.port())
    }

    /// The file of a Unix socket (`.s.PGSQL.5432` in its directory), or `None` for a TCP address.
    pub fn socket_file(&self) -> Option<PathBuf> {
        match &self.address {
            Address::Unix(directory) => Some(directory.join(format!(".s.PGSQL.{}", self.port()))),
            Address::Tcp(_) => None,
        }
    }

    pub(super) fn or_port(mut self, port: Option<u16>) -> Self {
        self.port = self.port.or(port);
        self
    }

    /// Reads one host; `None` if the text is not one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains(['@', '\0']) || text.contains(char::is_control) {
            return None;
        }
        if text.starts_with('/') {
            return match text.rsplit_once(':').map(|(path, port)| (path, read_port(port))) {
                Some((path, Some(port))) => Some(Self::unix(Path::new(path)).at_port(port)),
                _ => Some(Self::unix(Path::new(text))),
            };
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (ip, rest) = rest.split_once(']')?;
            let host = is_ip(ip).then(|| Self::tcp(ip))?;
            return match rest.strip_prefix(':') {
                Some(port) => Some(host.at_port(read_port(port)?)),
                None => rest.is_empty().then_some(host),
            };
        }
        if is_ip(text) {
            return Some(Self::tcp(text));
        }
        match text.split_once(':') {
            Some((name, port)) => is_name(name).then(|| Self::tcp(name))?.at_port(read_port(port)?).into(),
            None => is_name(text).then(|| Self::tcp(text)),
        }
    }

    /// Reads a host without its port; an IPv6 address may be in brackets.
    pub(super) fn read_bare(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return (!text.contains(char::is_control)).then(|| Self::unix(Path::new(text)));
        }
        Self::read(text).filter(|host| host.port.is_none())
    }

    /// Reads a list of hosts separated by commas; `None` if one of them is not a host.
    pub(super) fn read_list(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(Self::read).collect()
    }
}

/// One of the text forms above, so that it can be read again; an address that is dialled instead of the name is left out.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Unix(directory) => write!(f, "{}", directory.display())?,
            Address::Tcp(name) if name.contains(':') => write!(f, "[{name}]")?,
            Address::Tcp(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// A port is 1 to 65535; 0 means "any" to a server, and is no port to a client.
pub(super) fn read_port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|port| *port > 0)
}

/// An IP address, with the zone of a link-local one if it has one (`fe80::1%eth0`).
fn is_ip(text: &str) -> bool {
    match text.split_once('%') {
        Some((ip, zone)) => !zone.is_empty() && ip.parse::<std::net::Ipv6Addr>().is_ok() && is_name(zone),
        None => text.parse::<IpAddr>().is_ok(),
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 253 && text.chars().all(allowed)
}
