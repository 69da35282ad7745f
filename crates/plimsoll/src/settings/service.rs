//! libpq's service file: connection parameters under a name.
//!
//! ```ini
//! [orders]
//! host=db1
//! dbname=orders
//! ```
//!
//! The rules are those of libpq, which has read such files for twenty years. The name stands in brackets, a line is a parameter
//! with its value and no blanks around the `=`, `#` begins a comment at the beginning of a line, and the first section of the
//! name counts. The file of the user (`PGSERVICEFILE`, else `~/.pg_service.conf`) is looked into before that of the system
//! (`pg_service.conf` in the folder `PGSYSCONFDIR`), and only one of them supplies the service.
//!
//! A line may hold a password, so no line is ever printed, only its number.

use super::parts::Parts;
use super::problem::{Problem, printable};
use std::path::{Path, PathBuf};

/// Where the system's file is unless `PGSYSCONFDIR` says: of Debian and its kin, then of the others.
const SYSTEM: [&str; 2] = ["/etc/postgresql-common", "/etc"];

/// A parameter of a service, and the number of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    line: usize,
    name: String,
    value: String,
}

/// The parts of a service; `variable` reads the environment.
pub(super) fn find(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Parts, Problem> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let own = match variable("PGSERVICEFILE") {
        Some(file) => Some(PathBuf::from(file)),
        None => home(variable).map(|home| home.join(".pg_service.conf")),
    };
    let folders = match variable("PGSYSCONFDIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => SYSTEM.iter().map(PathBuf::from).collect(),
    };
    let files: Vec<PathBuf> =
        own.into_iter().chain(folders.iter().map(|folder| folder.join("pg_service.conf"))).collect();
    for file in &files {
        if let Some(parts) = parts_in(file, name)? {
            return Ok(parts);
        }
    }
    let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let allowed = format!("one that is defined in {}", looked.join(" or "));
    let remedy = "define it there, or put PGSERVICEFILE right";
    Err(Problem::new("service", printable(name), allowed, remedy).about("url"))
}

/// The user's home: `HOME`, else what the system knows of the user.
pub(super) fn home(variable: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(std::env::home_dir)
}

/// The parts of a service in one file. A file that is not there defines nothing.
fn parts_in(file: &Path, service: &str) -> Result<Option<Parts>, Problem> {
    let text = match std::fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let value = format!("not readable ({error})");
            let key = format!("the service file {}", file.display());
            let remedy = "let this user read it, or put PGSERVICEFILE right";
            return Err(Problem::new(key, value, "a file of services", remedy).about("url"));
        }
    };
    let place = |line: usize| format!("the service file {}, line {line}", file.display());
    let entries = match section(&text, service) {
        Ok(None) => return Ok(None),
        Ok(Some(entries)) => entries,
        Err(line) => {
            let allowed = "parameter=value, without blanks around the =, and no service within a service";
            let problem = Problem::new(place(line), "not readable", allowed, "put that line right");
            return Err(problem.about("url"));
        }
    };
    let mut parts = Parts::default();
    for Entry { line, name, value } in entries {
        parts.shared(&name, value, &place(line));
    }
    Ok(Some(parts))
}

/// The parameters of a service, each as it stands first; `None` if there is no such service, or the number of the line that
/// cannot be read.
fn section(text: &str, service: &str) -> Result<Option<Vec<Entry>>, usize> {
    let mut found: Option<Vec<Entry>> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Some(heading) = text.strip_prefix('[') {
            if found.is_some() {
                return Ok(found);
            }
            let is_it = heading.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            found = is_it.then(Vec::new);
            continue;
        }
        let Some(entries) = &mut found else { continue };
        let (name, value) = text.split_once('=').filter(|(name, _)| *name != "service").ok_or(line)?;
        if !entries.iter().any(|entry| entry.name == name) {
            entries.push(Entry { line, name: name.to_owned(), value: value.to_owned() });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, service: &str) -> Result<Option<Vec<(String, String)>>, usize> {
        let entries = section(text, service)?;
        Ok(entries.map(|entries| entries.into_iter().map(|entry| (entry.name, entry.value)).collect()))
    }

    fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        Some(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_first_section_of_the_name_counts_and_in_it_the_first_of_a_parameter() {
        let text = "host=before\n# [orders]\n[other]\nhost=no\n  [orders] \n\n # comment\n  host= db1 \nhost=db2\n\
                    dbname=a=b\n[orders]\nport=1\n";
        assert_eq!(read(text, "orders"), Ok(pairs(&[("host", " db1"), ("dbname", "a=b")])));
        assert_eq!(read(text, "order"), Ok(None), "a name is the whole of it");
        assert_eq!(read(text, "nowhere"), Ok(None));
        assert_eq!(read("[empty]", "empty"), Ok(pairs(&[])));
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number_if_it_is_in_the_section() {
        assert_eq!(read("[a]\nrubbish\n[b]\nhost=x", "b"), Ok(pairs(&[("host", "x")])));
        assert_eq!(read("[a]\nhost=x\nrubbish", "a"), Err(3));
        assert_eq!(read("[a]\nservice=b", "a"), Err(2), "no service within a service");
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "[\\[\\]a-b=# \n\t]{0,60}", service in "[ab\\]]{0,3}") {
            let _ = section(&text, &service);
        }

        #[test]
        fn what_was_written_is_read(
            before in proptest::collection::vec(("[a-z]{1,6}", "[!-~]{0,8}"), 0..4),
            own in proptest::collection::btree_map("[a-r]{1,6}", "[!-~]{0,8}", 0..6),
        ) {
            let lines = |pairs: &mut dyn Iterator<Item = (String, String)>| {
                pairs.map(|(name, value)| format!("{name}={value}\n")).collect::<String>()
            };
            let text = format!(
                "[before]\n{}[own]\n{}[after]\nhost=x\n",
                lines(&mut before.into_iter()),
                lines(&mut own.clone().into_iter()),
            );
            prop_assert_eq!(read(&text, "own"), Ok(Some(own.into_iter().collect())));
        }
    }
}
