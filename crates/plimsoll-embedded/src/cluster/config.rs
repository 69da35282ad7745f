//! The server's configuration: one file of our own, included at the end of PostgreSQL's, so that a kept data folder's
//! `postgresql.conf` stays the person's and is never rewritten; only one line is added to it.

use super::server::Server;
use super::standby;
use crate::error::{Error, Result};
use crate::folder;
use crate::port::HOST;
use std::fmt::Write;

const INCLUDE: &str = "include 'plimsoll.conf'";

/// Who may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// A client that knows the password, which never crosses the wire.
    #[default]
    ScramSha256,
    /// Anybody on this machine.
    Trust,
}

impl Auth {
    fn method(self) -> &'static str {
        match self {
            Self::ScramSha256 => "scram-sha-256",
            Self::Trust => "trust",
        }
    }
}

/// What a caller may say of the server's configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    pub(super) auth: Auth,
    /// The user of the machine who is the superuser on the socket, without a password.
    pub(super) peer: Option<String>,
    /// Lines of `postgresql.conf`, by name.
    pub(super) settings: Vec<(String, String)>,
    /// Lines of `pg_hba.conf`.
    pub(super) hba: Vec<String>,
    /// Certificate and key, as PEM.
    pub(super) tls: Option<(String, String)>,
}

/// Writes everything that the server reads at its start: settings, `pg_hba`, certificate and key.
pub(super) fn write(
    server: &Server,
    wanted: &Configuration,
    primary: Option<&Server>,
    durable: bool,
) -> Result<()> {
    let mut settings = own_settings(server, primary, durable);
    if let Some((certificate, key)) = &wanted.tls {
        let (certificate_file, key_file) =
            (server.folder.join("server.crt"), server.folder.join("server.key"));
        folder::write(&certificate_file, certificate, 0o644, &server.run_as)?;
        folder::write(&key_file, key, 0o600, &server.run_as)?;
        settings.push(("ssl".into(), "on".into()));
        settings.push(("ssl_cert_file".into(), certificate_file.display().to_string()));
        settings.push(("ssl_key_file".into(), key_file.display().to_string()));
    }
    let mut text = String::from("# Written anew at each start; say what you want through the builder.\n");
    for (name, value) in settings.iter().chain(&wanted.settings) {
        writeln!(text, "{}", line(name, value)?).unwrap_or_default();
    }
    folder::write(&server.data.join("plimsoll.conf"), &text, 0o600, &server.run_as)?;
    folder::write(&server.data.join("plimsoll_hba.conf"), &hba(server, wanted), 0o600, &server.run_as)?;
    if let Some(user) = &wanted.peer {
        let map = format!("plimsoll \"{user}\" \"{}\"\n", server.superuser);
        folder::write(&server.data.join("pg_ident.conf"), &map, 0o600, &server.run_as)?;
    }
    include(server)
}

fn own_settings(server: &Server, primary: Option<&Server>, durable: bool) -> Vec<(String, String)> {
    let mut settings = vec![
        ("listen_addresses", HOST.into()),
        ("port", server.port.to_string()),
        ("unix_socket_directories", server.folder.display().to_string()),
        ("hba_file", server.data.join("plimsoll_hba.conf").display().to_string()),
        ("log_destination", "stderr".into()),
        ("logging_collector", "off".into()),
        ("lc_messages", "C".into()),
    ];
    if let Some(primary) = primary {
        settings.push(("primary_conninfo", standby::conninfo(primary)));
    }
    if !durable {
        // Not synchronous_commit: a test may depend on the order in which a commit waits for things.
        settings.push(("fsync", "off".into()));
        settings.push(("full_page_writes", "off".into()));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn line(name: &str, value: &str) -> Result<String> {
    let refuse = |problem| Err(Error::Setting { name: name.into(), value: value.into(), problem });
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        return refuse("a name consists of letters, digits, underscores and dots");
    }
    if value.contains(['\n', '\r', '\0']) {
        return refuse("a value must stay on one line");
    }
    Ok(format!("{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''")))
}

/// The caller's lines come first, since the first that fits is the one that counts.
fn hba(server: &Server, wanted: &Configuration) -> String {
    let method = wanted.auth.method();
    let mut text = String::new();
    for line in &wanted.hba {
        text.push_str(line);
        text.push('\n');
    }
    if wanted.peer.is_some() {
        text.push_str(&format!("local all \"{}\" peer map=plimsoll\n", server.superuser));
    }
    for database in ["all", "replication"] {
        for from in ["local", "host"] {
            let address = if from == "host" { "127.0.0.1/32 " } else { "" };
            text.push_str(&format!("{from} {database} all {address}{method}\n"));
        }
    }
    text
}

fn include(server: &Server) -> Result<()> {
    let path = server.data.join("postgresql.conf");
    let mut text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    if text.lines().any(|line| line.trim() == INCLUDE) {
        return Ok(());
    }
    text.push_str(&format!("\n{INCLUDE}\n"));
    folder::write(&path, &text, 0o600, &server.run_as)
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn values_are_quoted_and_nonsense_is_refused() {
        assert_eq!(line("search_path", "it's, \\x").unwrap(), "search_path = 'it''s, \\\\x'");
        assert!(line("a b", "1").is_err());
        assert!(line("a", "1\nb = 2").is_err());
    }
}
