//! libpq's password file: a line for each server, database and role.
//!
//! ```text
//! db1:5432:orders:app:its password
//! *:*:*:monitor:another one
//! ```
//!
//! The rules are those of libpq. The first line that fits counts. `*` stands for anything; a backslash takes the next letter as
//! it is, in every part, so that a part may hold `:` or `\`. A server that is reached by the usual socket is called `localhost`,
//! by another socket by its folder. A file that others than its owner may read is not used at all: a password that others know
//! is none.
//!
//! The file is read at each connect, so that a password that was changed in it holds from then on.

use super::host::{Address, Host};
use crate::secret::Secret;
use std::io;
use std::path::{Path, PathBuf};

/// The folders of sockets that libpq was built with: by Debian and its kin, and by PostgreSQL itself.
pub(super) const USUAL_SOCKETS: [&str; 3] = ["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// What came of looking for a password in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// There is one.
    Found(Secret),
    /// There is none, and this is why.
    None(String),
    /// The file is not used, and this is why. The user wants to know.
    Refused(String),
}

/// Looks for the password of a role on a server.
pub(crate) fn look(path: &Path, host: &Host, dbname: &str, user: &str) -> Lookup {
    let shown = path.display();
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Lookup::None(format!("there is no password file {shown}"));
        }
        Err(error) if error.kind() == io::ErrorKind::Other => {
            return Lookup::Refused(format!("the password file {shown} was not used: {error}"));
        }
        Err(error) => return Lookup::Refused(format!("the password file {shown} cannot be read: {error}")),
    };
    let (server, port) = (name_of(host), host.port().to_string());
    match password_in(&text, [&server, &port, dbname, user]) {
        Some(password) if !password.is_empty() => Lookup::Found(Secret::from(password)),
        _ => Lookup::None(format!(
            "the password file {shown} has no line for host {server}, port {port}, this database and this role"
        )),
    }
}

fn read(path: &Path) -> io::Result<String> {
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("others than its owner may read it; chmod 0600 it"));
        }
    }
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

/// What a server is called in the file.
fn name_of(host: &Host) -> String {
    match host.address() {
        Address::Tcp(name) => name.clone(),
        Address::Unix(folder) if USUAL_SOCKETS.iter().any(|usual| folder == &PathBuf::from(usual)) => {
            "localhost".to_owned()
        }
        Address::Unix(folder) => folder.display().to_string(),
    }
}

/// The password of the first line that fits these: server, port, database, role.
fn password_in(text: &str, wanted: [&str; 4]) -> Option<String> {
    let lines = text.lines().map(|line| line.trim_end_matches('\r'));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).find_map(|line| {
        let rest = wanted.iter().try_fold(line, |rest, wanted| after_field(rest, wanted))?;
        Some(plain(rest))
    })
}

/// What follows the first field and its colon, if the field fits.
fn after_field<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    if let Some(rest) = line.strip_prefix("*:") {
        return Some(rest);
    }
    let (mut line, mut wanted) = (line.chars(), wanted.chars());
    loop {
        let letter = match line.next()? {
            ':' if wanted.as_str().is_empty() => return Some(line.as_str()),
            '\\' => line.next()?,
            letter => letter,
        };
        wanted.next().filter(|other| *other == letter)?;
    }
}

/// The last field up to a colon that stands by itself, without its backslashes.
fn plain(field: &str) -> String {
    let mut text = String::new();
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ':' => break,
            '\\' => text.push(letters.next().unwrap_or('\\')),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WANTED: [&str; 4] = ["db1", "5432", "orders", "app"];

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# db1:5432:orders:app:comment\n\ndb2:5432:orders:app:other\ndb1:*:*:app:first\r\n\
                    db1:5432:orders:app:second\n";
        assert_eq!(password_in(text, WANTED).as_deref(), Some("first"));
        assert_eq!(password_in("*:*:*:*:any", WANTED).as_deref(), Some("any"));
        assert_eq!(password_in("db1:5432:orders:apple:no\ndb1:5432:orders:ap:no", WANTED), None);
        assert_eq!(password_in("db1:5432:orders", WANTED), None, "a line that ends too early");
        assert_eq!(password_in("d*:5432:orders:app:no", WANTED), None, "only a whole field is a wildcard");
    }

    #[test]
    fn a_backslash_takes_the_next_letter_as_it_is() {
        let wanted = ["::1", "5432", r"a\b", "app"];
        assert_eq!(password_in(r"\:\:1:5432:a\\b:app:p\:w\\d", wanted).as_deref(), Some(r"p:w\d"));
        assert_eq!(password_in("::1:5432:*:app:pw", wanted).as_deref(), Some("pw"), "libpq takes that too");
        assert_eq!(password_in("*:*:*:*:pw:rest", WANTED).as_deref(), Some("pw"), "a colon ends it");
        assert_eq!(password_in("*:*:*:*:pw\\", WANTED).as_deref(), Some("pw\\"));
    }

    #[test]
    fn a_usual_socket_is_called_localhost_and_another_by_its_folder() {
        for usual in USUAL_SOCKETS {
            assert_eq!(name_of(&Host::unix(usual)), "localhost");
        }
        assert_eq!(name_of(&Host::unix("/srv/pg")), "/srv/pg");
        let dialled = Host::tcp("db1").dialled_at("10.0.0.7".parse().unwrap());
        assert_eq!(name_of(&dialled), "db1", "the name, whatever address is dialled");
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pgpass");
        let look = || look(&file, &Host::tcp("db1"), "orders", "app");
        assert!(matches!(look(), Lookup::None(why) if why.contains("there is no password file")));
        std::fs::write(&file, "db1:5432:orders:app:hunter2\n").unwrap();
        for (mode, is_used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o660, false)]
        {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match look() {
                Lookup::Found(password) => assert!(is_used && password.expose() == "hunter2", "{mode:o}"),
                Lookup::Refused(why) => {
                    assert!(!is_used && why.contains("0600") && !why.contains("hunter2"), "{mode:o} {why}");
                }
                Lookup::None(why) => panic!("{mode:o} {why}"),
            }
        }
        let is_refused = super::look(folder.path(), &Host::tcp("db1"), "orders", "app");
        assert!(matches!(is_refused, Lookup::Refused(why) if why.contains("plain file")));
    }

    fn escaped(text: &str) -> String {
        text.chars().flat_map(|c| if matches!(c, ':' | '\\') { vec!['\\', c] } else { vec![c] }).collect()
    }

    proptest! {
        #[test]
        fn what_was_written_is_found(
            fields in proptest::array::uniform4("[a-c:\\\\é ]{1,5}"),
            password in "[ -~é]{1,9}",
        ) {
            let own: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
            let text = format!("x:{}:no\n{}:{}", own.join(":"), own.join(":"), escaped(&password));
            let wanted = fields.each_ref().map(String::as_str);
            prop_assert_eq!(password_in(&text, wanted), Some(password));
        }

        #[test]
        fn reading_never_panics(text in "[a:\\\\*\n]{0,40}", field in "[a:\\\\]{0,3}") {
            let _ = password_in(&text, [&field, "a", "a", "a"]);
        }
    }
}
