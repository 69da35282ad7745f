//! Settings as `psql` and every program on libpq have them.
//!
//! An operator who can type `psql` has the server's address, the role and the password in place already: in the variables
//! `PGHOST` and its kin, in a service file, in `~/.pgpass`. A tool that wants them said again is tried last. So
//! [`Settings::from_libpq`] reads what libpq reads, and lets the same one win (PostgreSQL's documentation, "Environment
//! Variables", "The Connection Service File" and "The Password File"): the string that was given, then the service that it or
//! `PGSERVICE` names, then the variables, then libpq's own defaults: the usual socket, and the role of the user's name. The
//! password file comes after all of these.
//!
//! One default is not libpq's: without `sslmode` a server beyond this machine has to prove who it is (`verify-full`). libpq's
//! `prefer` gives the password to anyone who answers.
//!
//! Variables that would make the connection something else, and that this library has no use for (`PGSSLCERT`,
//! `PGREQUIREAUTH`), are refused; those that would change neither where it leads nor how safe it is are passed over.

use super::dsn;
use super::host::Host;
use super::parts::Parts;
use super::passfile::USUAL_SOCKETS;
use super::plan::TlsRoots;
use super::problem::{Problem, SettingsError};
use super::service;
use super::table::Settings;
use super::words::TlsMode;
use crate::secret::Secret;
use std::path::Path;

/// libpq's variables, and the parameters that they mean.
const VARIABLES: [(&str, &str); 20] = [
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGAPPNAME", "application_name"),
    ("PGOPTIONS", "options"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLCRL", "sslcrl"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
];

/// Those that say where a connection leads; with any of them, `DATABASE_URL` has nothing to say.
const PLACES: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE"];

const DATABASE_URL: &str = "DATABASE_URL";

impl Settings {
    /// The settings that `psql` would connect with: the string (a connection URL, `key=value` pairs, or the name of a database
    /// alone), the service that is named, libpq's variables, its defaults, and its password file, which is read at the connect.
    /// `variable` reads the environment.
    ///
    /// Where no string is given, and none of `PGHOST`, `PGHOSTADDR`, `PGPORT`, `PGDATABASE`, `PGUSER` and `PGSERVICE` either,
    /// `DATABASE_URL` is the string. Startup options are taken as they are here, and refused by [`Settings::check`] if they hold
    /// limits.
    ///
    /// # Errors
    /// Everything that cannot be read, at once.
    pub fn from_libpq(
        given: Option<&Secret>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut settings = Settings::default();
        match all_parts(given, &variable) {
            Ok((parts, key)) => parts.assign_to(key, &mut settings),
            Err(problem) => settings.problems.push(problem),
        }
        settings.fill_in(&variable);
        match settings.problems.is_empty() {
            true => Ok(settings),
            false => Err(SettingsError::new(settings.problems)),
        }
    }

    /// libpq's defaults, where nothing was said.
    fn fill_in(&mut self, variable: &impl Fn(&str) -> Option<String>) {
        let unread =
            |settings: &Self, name| settings.problems.iter().any(|p| p.about == name || p.about == "url");
        if self.hosts.is_none() && !unread(self, "hosts") {
            let usual = USUAL_SOCKETS.iter().map(Path::new).find(|folder| folder.is_dir());
            self.hosts = usual.map(|folder| vec![Host::unix(folder)]);
        }
        if self.user.is_none() && !unread(self, "user") {
            self.user = whoami::username().ok();
        }
        let home = service::home(variable);
        if self.passfile.is_none() {
            self.passfile = home.as_ref().map(|home| home.join(".pgpass").display().to_string());
        }
        let roots = home.map(|home| home.join(".postgresql/root.crt")).filter(|roots| roots.is_file());
        let is_local = self.hosts.iter().flatten().all(Host::is_local);
        let verifies = match self.sslmode {
            // To libpq `require` verifies where this file exists.
            Some(mode) => matches!(mode, TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull),
            None => !is_local,
        };
        if self.sslrootcert.is_none() && verifies {
            self.sslrootcert = roots.map(TlsRoots::at);
        }
    }
}

/// What was said, the strongest source first, and how the strongest is called.
fn all_parts(
    given: Option<&Secret>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(Parts, &'static str), Problem> {
    let is_placed = PLACES.iter().any(|name| variable(name).is_some());
    let (own, key) = match given {
        Some(text) => (string(text.expose(), "the connection string")?, "the connection string"),
        None if is_placed => (Parts::default(), "the environment"),
        None => match variable(DATABASE_URL) {
            Some(url) => (dsn::parts_of(&url, DATABASE_URL)?, DATABASE_URL),
            None => (Parts::default(), "the environment"),
        },
    };
    let own = own.without_empty();
    let environment = of_the_environment(variable);
    let parts = match own.service().or_else(|| variable("PGSERVICE")) {
        Some(name) => own.over(service::find(&name, variable)?.without_empty()).over(environment),
        None => own.over(environment),
    };
    Ok((parts, key))
}

/// A connection string, or the name of a database alone, as psql's first argument may be.
fn string(text: &str, key: &str) -> Result<Parts, Problem> {
    if text.contains('=') || text.contains("://") {
        return dsn::parts_of(text, key);
    }
    let mut parts = Parts::default();
    parts.say("dbname", text.to_owned(), format!("the database of {key}"));
    Ok(parts)
}

fn of_the_environment(variable: &impl Fn(&str) -> Option<String>) -> Parts {
    let mut parts = Parts::default();
    for (name, parameter) in VARIABLES {
        let value = variable(name);
        // To libpq it means that there is no limit; here there always is one.
        let unlimited = |value: &String| parameter == "connect_timeout" && value == "0";
        if let Some(value) = value.filter(|value| !unlimited(value)) {
            parts.say(parameter, value, name.to_owned());
        }
    }
    parts
}
