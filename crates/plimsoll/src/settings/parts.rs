//! The parts of a connection string, of a service and of libpq's environment, and what becomes of them.
//!
//! libpq has three sources of the same parameters: the connection string, the service that it names, and the variables `PG..`.
//! The first is the strongest, and one that is silent leaves a parameter to the next ([`Parts::over`]). So all of them are read
//! to the same parts, and only what is left at the end becomes settings.
//!
//! Parameters are libpq's, units included: a number without a unit means seconds, and milliseconds for `tcp_user_timeout`.

use super::duration::Unitless;
use super::host::{Address, Host, read_port};
use super::problem::{Problem, closest, printable};
use super::table::Settings;
use std::net::IpAddr;

/// libpq's names, ours, and what a number without a unit means.
const PARAMETERS: [(&str, &str, Unitless); 15] = [
    ("dbname", "dbname", Unitless::Refused),
    ("user", "user", Unitless::Refused),
    ("password", "password", Unitless::Refused),
    ("passfile", "passfile", Unitless::Refused),
    ("sslmode", "sslmode", Unitless::Refused),
    ("sslrootcert", "sslrootcert", Unitless::Refused),
    ("channel_binding", "channel_binding", Unitless::Refused),
    ("target_session_attrs", "target_session_attrs", Unitless::Refused),
    ("application_name", "application_name", Unitless::Refused),
    ("options", "options", Unitless::Refused),
    ("connect_timeout", "connect_timeout", Unitless::Seconds),
    ("keepalives_idle", "keepalives_idle", Unitless::Seconds),
    ("keepalives_interval", "keepalives_interval", Unitless::Seconds),
    ("keepalives_count", "keepalives_count", Unitless::Refused),
    ("tcp_user_timeout", "tcp_user_timeout", Unitless::Milliseconds),
];

/// Parameters that are read here and not by the table.
const OTHERS: [&str; 5] = ["host", "hostaddr", "port", "keepalives", SERVICE];

const SERVICE: &str = "service";

/// Parameters that libpq knows and this library does not. Their names may be printed; other unknown names may not.
const LIBPQ_ONLY: [&str; 11] = [
    "replication",
    "require_auth",
    "requirepeer",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
];

/// Those that are passed over where they come from a file or a variable that other programs read too: without them a connection
/// is as safe, and leads to the same place. A connection string that names one is refused all the same.
const HARMLESS: [&str; 9] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "load_balance_hosts",
    "sslcompression",
    "sslsni",
];

/// What was said, as text.
#[derive(Clone, Default)]
pub(super) struct Parts {
    pub(super) hosts: Vec<String>,
    pub(super) ports: Vec<String>,
    /// Addresses that are dialled instead of looking the hosts up.
    addresses: Vec<String>,
    said: Vec<Said>,
}

/// One parameter.
#[derive(Clone)]
struct Said {
    name: String,
    value: String,
    /// How its source calls it.
    shown: String,
    /// How it is called where its name may be half of a password.
    shown_unnamed: String,
    /// Its source is read by other programs too.
    is_shared: bool,
}

impl Parts {
    /// A parameter of which the name is known to be one.
    pub(super) fn say(&mut self, name: &str, value: String, shown: String) {
        self.put(Said {
            name: name.to_owned(),
            value,
            shown_unnamed: shown.clone(),
            shown,
            is_shared: false,
        });
    }

    /// A parameter of a connection string that its source calls `key`.
    pub(super) fn parameter(&mut self, name: &str, value: String, key: &str) {
        let place = self.said.iter().filter(|said| said.shown != said.shown_unnamed).count() + 1;
        self.put(Said {
            name: name.to_owned(),
            value,
            shown: format!("the parameter {name} of {key}"),
            shown_unnamed: format!("the name of parameter {place} of {key}"),
            is_shared: false,
        });
    }

    /// A parameter of a source that other programs read too; `place` is where it stands there.
    pub(super) fn shared(&mut self, name: &str, value: String, place: &str) {
        self.put(Said {
            name: name.to_owned(),
            value,
            shown: format!("the parameter {name} of {place}"),
            shown_unnamed: format!("the name in {place}"),
            is_shared: true,
        });
    }

    /// Hosts, addresses and ports are lists that belong together; all others are single values.
    fn put(&mut self, said: Said) {
        let list = || said.value.split(',').map(str::to_owned).collect();
        match said.name.as_str() {
            "host" => self.hosts = list(),
            "hostaddr" => self.addresses = list(),
            "port" => self.ports = list(),
            _ => self.said.push(said),
        }
    }

    /// What is said here, and where nothing is said, what the weaker source says.
    pub(super) fn over(mut self, weaker: Parts) -> Parts {
        let list = |own: Vec<String>, other: Vec<String>| if own.is_empty() { other } else { own };
        let mut said: Vec<Said> = weaker.said.into_iter().filter(|other| !self.says(&other.name)).collect();
        said.append(&mut self.said);
        Parts {
            hosts: list(self.hosts, weaker.hosts),
            ports: list(self.ports, weaker.ports),
            addresses: list(self.addresses, weaker.addresses),
            said,
        }
    }

    /// Whether anything is said of this parameter.
    pub(super) fn says(&self, name: &str) -> bool {
        match name {
            "host" => !self.hosts.is_empty(),
            "hostaddr" => !self.addresses.is_empty(),
            "port" => !self.ports.is_empty(),
            _ => self.said.iter().any(|said| said.name == name),
        }
    }

    /// Forgets what is there and empty: libpq takes it for what was not said.
    pub(super) fn without_empty(mut self) -> Parts {
        for list in [&mut self.hosts, &mut self.addresses, &mut self.ports] {
            if list.iter().all(String::is_empty) {
                list.clear();
            }
        }
        self.said.retain(|said| !said.value.is_empty());
        self
    }

    /// The service that is named.
    pub(super) fn service(&self) -> Option<String> {
        let named = self.said.iter().rfind(|said| said.name == SERVICE)?;
        Some(named.value.clone()).filter(|name| !name.is_empty())
    }

    pub(super) fn assign_to(self, key: &str, settings: &mut Settings) {
        match self.servers() {
            Ok((hosts, port)) => {
                settings.hosts = if hosts.is_empty() { settings.hosts.take() } else { Some(hosts) };
                settings.port = port.or(settings.port);
            }
            Err(place) => {
                let allowed = "hosts and ports like db1:5432,db2:5433";
                let remedy = "write one port for all hosts or one for each, and / in a directory as %2F";
                settings.problems.push(
                    Problem::new(format!("{place} of {key}"), "not readable", allowed, remedy).about("hosts"),
                );
            }
        }
        for said in self.said {
            said.assign_to(settings);
        }
    }

    /// The hosts with their ports, or the port alone if no host is named; or the name of the part that cannot be read.
    fn servers(&self) -> Result<(Vec<Host>, Option<u16>), String> {
        let read = |port: &String, place: usize| match port.is_empty() {
            true => Ok(None),
            false => read_port(port).map(Some).ok_or_else(|| format!("the port of host {place}")),
        };
        let ports: Vec<Option<u16>> =
            self.ports.iter().zip(1..).map(|(port, place)| read(port, place)).collect::<Result<_, _>>()?;
        let hosts = self.named_hosts()?;
        if hosts.is_empty() {
            return match ports.as_slice() {
                [] => Ok((Vec::new(), None)),
                [port] => Ok((Vec::new(), *port)),
                _ => Err("the list of ports".to_owned()),
            };
        }
        if !(ports.len() <= 1 || ports.len() == hosts.len()) {
            return Err("the list of ports".to_owned());
        }
        let common = if ports.len() == 1 { ports.first().copied().flatten() } else { None };
        let of_each = ports.iter().copied().chain(std::iter::repeat(common));
        Ok((hosts.into_iter().zip(of_each).map(|(host, port)| host.or_port(port)).collect(), None))
    }

    /// The hosts, each at the address that was given for it, if one was.
    fn named_hosts(&self) -> Result<Vec<Host>, String> {
        if !(self.addresses.is_empty() || self.hosts.is_empty() || self.addresses.len() == self.hosts.len()) {
            return Err("the list of hostaddr, which needs one for each host,".to_owned());
        }
        let nothing = String::new;
        let count = self.hosts.len().max(self.addresses.len());
        let hosts = self.hosts.iter().cloned().chain(std::iter::repeat_with(nothing));
        let addresses = self.addresses.iter().cloned().chain(std::iter::repeat_with(nothing));
        let pair = |((host, address), place): ((String, String), usize)| {
            if address.is_empty() {
                return Host::read_bare(&host).ok_or_else(|| format!("host {place}"));
            }
            let ip: IpAddr =
                address.parse().map_err(|_| format!("the address (hostaddr) of host {place}"))?;
            // An address is dialled by TCP, also where the host would be a socket.
            match Host::read_bare(&host).filter(|host| matches!(host.address(), Address::Tcp(_))) {
                Some(named) => Ok(named.dialled_at(ip)),
                None => Ok(Host::tcp(ip.to_string())),
            }
        };
        hosts.zip(addresses).zip(1..).take(count).map(pair).collect()
    }
}

impl Said {
    /// One parameter, by libpq's name.
    fn assign_to(self, settings: &mut Settings) {
        let Said { name, value, shown, .. } = &self;
        if let Some((_, setting, unitless)) = PARAMETERS.iter().find(|(known, _, _)| known == name) {
            return settings.assign(setting, shown, value, *unitless);
        }
        match name.as_str() {
            SERVICE => {}
            "keepalives" if value == "0" => settings.keepalives_idle = Some(super::Limit::Off),
            "keepalives" if value == "1" => {}
            "keepalives" => settings.problems.push(Problem::new(
                shown.as_str(),
                printable(value),
                "0 or 1",
                "write it so",
            )),
            name if self.is_shared && HARMLESS.contains(&name) => {}
            _ => settings.problems.push(self.unknown()),
        }
    }

    /// An unknown parameter. Its name is printed only if libpq knows it: else it may be the second half of a password.
    fn unknown(self) -> Problem {
        let allowed = "a parameter that is known here";
        let name = self.name.as_str();
        if LIBPQ_ONLY.contains(&name) || HARMLESS.contains(&name) {
            let remedy = "leave it out: libpq knows it, this library has no use for it";
            return Problem::new(self.shown, "unknown", allowed, remedy);
        }
        let known = PARAMETERS.iter().map(|(known, _, _)| *known).chain(OTHERS);
        let remedy = match closest(name, known) {
            Some(word) => format!("did you mean {word}?"),
            None => "leave it out; limits and pool sizes have settings of their own".to_owned(),
        };
        Problem::new(self.shown_unnamed, "unknown", allowed, remedy)
    }
}
