//! Settings from a connection URL, or from libpq's `key=value` string.
//!
//! A connection string contains a secret among many other things, and is the usual way by which a password reaches a
//! log: it holds a character that should have been percent-encoded, the parser takes half of it for a port, and the
//! error message prints the port. So nothing of a connection string is ever printed here except the names of known
//! parameters, and the values of those that were found where they belong. A part that cannot be read is named by what
//! it is ("the port of host 2").
//!
//! The reading is strict for the same reason. An `@` after the host, or a `#` anywhere, is usually a password that was
//! not encoded, and is refused before anything else is read. An unknown parameter is refused too, since the author of
//! a connection string relies on each parameter in it.
//!
//! Parameters are libpq's, units included: a number without a unit means seconds, and milliseconds for
//! `tcp_user_timeout`.

use super::duration::Unitless;
use super::host::{Host, read_port};
use super::problem::{Problem, closest, printable};
use super::table::Settings;
use crate::secret::Secret;

/// libpq's names, ours, and what a number without a unit means.
const PARAMETERS: [(&str, &str, Unitless); 14] = [
    ("dbname", "dbname", Unitless::Refused),
    ("user", "user", Unitless::Refused),
    ("password", "password", Unitless::Refused),
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
const OTHERS: [&str; 3] = ["host", "port", "keepalives"];

/// Parameters that libpq knows and this library does not. Their names may be printed; other unknown names may not.
const LIBPQ_ONLY: [&str; 22] = [
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "hostaddr",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcompression",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
];

/// Sets everything that the string contains; `key` is how its source calls it.
pub(super) fn read(text: &Secret, key: &str, settings: &mut Settings) {
    let parts = match text.expose().split_once("://") {
        Some(("postgres" | "postgresql", rest)) => url(rest),
        Some((scheme, _)) if is_word(scheme) => Err(Unreadable {
            part: "the scheme",
            remedy: "begin it with postgres:// and nothing added to that word",
        }),
        _ => pairs(text.expose()),
    };
    match parts {
        Ok(parts) => parts.assign_to(key, settings),
        Err(Unreadable { part, remedy }) => {
            let allowed = "postgres://user:password@host:port/database?parameter=value";
            let problem = Problem::new(format!("{part} of {key}"), "not readable", allowed, remedy);
            settings.problems.push(problem.about("url"));
        }
    }
}

/// The part that could not be read, and never its text.
struct Unreadable {
    part: &'static str,
    remedy: &'static str,
}

/// The parts of a connection string, as text.
#[derive(Default)]
struct Parts {
    hosts: Vec<String>,
    ports: Vec<String>,
    /// User, password and database of a URL, where they are no parameters.
    placed: Vec<(&'static str, String)>,
    parameters: Vec<(String, String)>,
}

/// Reads what follows `postgres://`.
fn url(rest: &str) -> Result<Parts, Unreadable> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let Some((authority, tail)) = rest.split_at_checked(end) else { return Ok(Parts::default()) };
    if tail.contains(['@', '#']) {
        return Err(Unreadable {
            part: "the user, the password or a parameter",
            remedy: "write / as %2F, ? as %3F, # as %23 and @ as %40 inside them",
        });
    }
    let mut parts = Parts::default();
    let servers = match authority.rsplit_once('@') {
        Some((credentials, servers)) => {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            parts.push("user", user, "the user")?;
            parts.push("password", password.unwrap_or_default(), "the password")?;
            servers
        }
        None => authority,
    };
    if !servers.is_empty() {
        for server in servers.split(',') {
            let (host, port) = host_and_port(server);
            parts.hosts.push(decoded(host, "a host")?);
            parts.ports.push(port.to_owned());
        }
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    if database.contains('/') {
        return Err(Unreadable { part: "the database", remedy: "write / as %2F inside a name" });
    }
    parts.push("dbname", database, "the database")?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter
            .split_once('=')
            .ok_or(Unreadable { part: "a parameter", remedy: "write every parameter as name=value" })?;
        let (name, value) = (decoded(name, "a parameter")?, decoded(value, "a parameter")?);
        parts.parameter(name, value);
    }
    Ok(parts)
}

/// Splits at the last colon that is not inside brackets.
fn host_and_port(server: &str) -> (&str, &str) {
    match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (server, ""),
    }
}

/// Reads `key=value key='a value'`, in which a backslash escapes the next character.
fn pairs(text: &str) -> Result<Parts, Unreadable> {
    const UNREADABLE: Unreadable = Unreadable {
        part: "a key=value pair",
        remedy: "write values that hold blanks in single quotes, and \\' for a quote within",
    };
    let mut parts = Parts::default();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        if letters.peek().is_none() {
            return Ok(parts);
        }
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(letter);
        }
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        letters.next_if_eq(&'=').ok_or(UNREADABLE)?;
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = letters.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        let closed = loop {
            match letters.next() {
                None => break !quoted,
                Some('\'') if quoted => break true,
                Some(letter) if !quoted && letter.is_whitespace() => break true,
                Some('\\') => value.push(letters.next().ok_or(UNREADABLE)?),
                Some(letter) => value.push(letter),
            }
        };
        if !closed {
            return Err(UNREADABLE);
        }
        parts.parameter(name, value);
    }
}

impl Parts {
    fn push(&mut self, name: &'static str, text: &str, part: &'static str) -> Result<(), Unreadable> {
        if !text.is_empty() {
            self.placed.push((name, decoded(text, part)?));
        }
        Ok(())
    }

    /// Hosts and ports are two lists that belong together; all others are single values.
    fn parameter(&mut self, name: String, value: String) {
        match name.as_str() {
            "host" => self.hosts = value.split(',').map(str::to_owned).collect(),
            "port" => self.ports = value.split(',').map(str::to_owned).collect(),
            _ => self.parameters.push((name, value)),
        }
    }

    fn assign_to(self, key: &str, settings: &mut Settings) {
        match servers(&self.hosts, &self.ports) {
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
        for (name, value) in self.placed {
            settings.assign(name, &format!("the {name} of {key}"), &value, Unitless::Refused);
        }
        for (place, (name, value)) in (1..).zip(self.parameters) {
            parameter(place, &name, &value, key, settings);
        }
    }
}

/// The hosts with their ports, or the port alone if no host is named; or the name of the part that cannot be read.
fn servers(hosts: &[String], ports: &[String]) -> Result<(Vec<Host>, Option<u16>), String> {
    let read = |port: &String, place: usize| match port.is_empty() {
        true => Ok(None),
        false => read_port(port).map(Some).ok_or_else(|| format!("the port of host {place}")),
    };
    let ports: Vec<Option<u16>> =
        ports.iter().zip(1..).map(|(port, place)| read(port, place)).collect::<Result<_, _>>()?;
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
    let pair = |((text, port), place): ((&String, Option<u16>), usize)| match Host::read_bare(text) {
        Some(host) => Ok(host.or_port(port)),
        None => Err(format!("host {place}")),
    };
    Ok((hosts.iter().zip(of_each).zip(1..).map(pair).collect::<Result<_, _>>()?, None))
}

/// One parameter, by libpq's name.
fn parameter(place: usize, name: &str, value: &str, key: &str, settings: &mut Settings) {
    let shown = format!("the parameter {name} of {key}");
    if let Some((_, setting, unitless)) = PARAMETERS.iter().find(|(known, _, _)| *known == name) {
        return settings.assign(setting, &shown, value, *unitless);
    }
    match name {
        "keepalives" if value == "0" => settings.keepalives_idle = Some(super::Limit::Off),
        "keepalives" if value == "1" => {}
        "keepalives" => {
            settings.problems.push(Problem::new(shown, printable(value), "0 or 1", "write it so"))
        }
        _ => settings.problems.push(unknown(place, name, key)),
    }
}

/// An unknown parameter. Its name is printed only if libpq knows it: else it may be the second half of a password.
fn unknown(place: usize, name: &str, key: &str) -> Problem {
    let allowed = "a parameter that is known here";
    if LIBPQ_ONLY.contains(&name) {
        let remedy = "leave it out: libpq knows it, this library has no use for it";
        return Problem::new(format!("the parameter {name} of {key}"), "unknown", allowed, remedy);
    }
    let known = PARAMETERS.iter().map(|(known, _, _)| *known).chain(OTHERS);
    let remedy = match closest(name, known) {
        Some(word) => format!("did you mean {word}?"),
        None => "leave it out; limits and pool sizes have settings of their own".to_owned(),
    };
    Problem::new(format!("the name of parameter {place} of {key}"), "unknown", allowed, remedy)
}

/// Undoes percent-encoding; the result must be UTF-8.
fn decoded(text: &str, part: &'static str) -> Result<String, Unreadable> {
    let broken = || Unreadable {
        part,
        remedy: "write % as %25, and other special characters as % and two hex digits",
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next().ok_or_else(broken)?, rest.next().ok_or_else(broken)?];
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let [Some(high), Some(low)] = digits.map(digit) else { return Err(broken()) };
        bytes.push(high * 16 + low);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

/// Whether the text before `://` is a scheme, and not a `key=value` string that contains a URL.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}
