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
//! What the parts mean is in `parts.rs`.

use super::parts::Parts;
use super::problem::Problem;
use super::service;
use super::table::Settings;
use crate::secret::Secret;

/// Sets everything that the string contains; `key` is how its source calls it. What it does not say is taken from the service
/// that it names, if it names one.
pub(super) fn read(text: &Secret, key: &str, settings: &mut Settings) {
    match parts_of(text.expose(), key) {
        Ok(parts) => match parts.service() {
            Some(name) => match service::find(&name, |variable| std::env::var(variable).ok()) {
                Ok(weaker) => parts.over(weaker).assign_to(key, settings),
                Err(problem) => settings.problems.push(problem),
            },
            None => parts.assign_to(key, settings),
        },
        Err(problem) => settings.problems.push(problem),
    }
}

/// The parts of a connection URL or of a `key=value` string.
pub(super) fn parts_of(text: &str, key: &str) -> Result<Parts, Problem> {
    let parts = match text.split_once("://") {
        Some(("postgres" | "postgresql", rest)) => url(rest, key),
        Some((scheme, _)) if is_word(scheme) => Err(Unreadable {
            part: "the scheme",
            remedy: "begin it with postgres:// and nothing added to that word",
        }),
        _ => pairs(text, key),
    };
    parts.map_err(|Unreadable { part, remedy }| {
        let allowed = "postgres://user:password@host:port/database?parameter=value";
        Problem::new(format!("{part} of {key}"), "not readable", allowed, remedy).about("url")
    })
}

/// The part that could not be read, and never its text.
struct Unreadable {
    part: &'static str,
    remedy: &'static str,
}

/// Reads what follows `postgres://`.
fn url(rest: &str, key: &str) -> Result<Parts, Unreadable> {
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
            place(&mut parts, "user", user, "the user", key)?;
            place(&mut parts, "password", password.unwrap_or_default(), "the password", key)?;
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
    place(&mut parts, "dbname", database, "the database", key)?;
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter
            .split_once('=')
            .ok_or(Unreadable { part: "a parameter", remedy: "write every parameter as name=value" })?;
        let (name, value) = (decoded(name, "a parameter")?, decoded(value, "a parameter")?);
        parts.parameter(&name, value, key);
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
fn pairs(text: &str, key: &str) -> Result<Parts, Unreadable> {
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
        parts.parameter(&name, value, key);
    }
}

/// The user, the password or the database where it is no parameter of a URL.
fn place(parts: &mut Parts, name: &str, text: &str, part: &'static str, key: &str) -> Result<(), Unreadable> {
    if !text.is_empty() {
        parts.say(name, decoded(text, part)?, format!("the {name} of {key}"));
    }
    Ok(())
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
