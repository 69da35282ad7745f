//! What the console of a PgBouncer answers: its version and its configuration.

use crate::answer::Unreadable;
use crate::checks::check::Answers;
use crate::checks::finding::Finding;
use std::collections::BTreeMap;
use std::fmt;

pub(super) const VERSION: &str = "SHOW VERSION";
pub(super) const CONFIG: &str = "SHOW CONFIG";
pub(super) const DATABASES: &str = "SHOW DATABASES";
/// Known since 1.19.
pub(super) const PEERS: &str = "SHOW PEERS";

/// The database of the console. It is listed with the others, always in statement mode.
pub(super) const CONSOLE: &str = "pgbouncer";

/// How findings name it.
pub(super) const POOLER: &str = "pooler";

/// A version of PgBouncer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u32, pub(super) u32, pub(super) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// Of `PgBouncer 1.18.0`, with whatever follows the numbers.
    fn read(text: &str) -> Option<Self> {
        let numbers = text.strip_prefix("PgBouncer ")?;
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(numbers.len());
        let mut numbers = numbers.get(..end)?.split('.').map(str::parse);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next().and_then(Result::ok).unwrap_or_default();
        Some(Version(major, minor, numbers.next().and_then(Result::ok).unwrap_or_default()))
    }
}

/// The version, of what `SHOW VERSION` answered.
///
/// # Errors
/// It is no PgBouncer; the finding says what it is.
pub(super) fn version(answers: &Answers<'_>) -> Result<Result<Version, Finding>, Unreadable> {
    let mut said = "nothing";
    for row in answers.rows().filter(|row| row.has("version")) {
        said = row.text("version")?.unwrap_or_default();
    }
    Ok(Version::read(said)
        .ok_or_else(|| Finding::skipped(POOLER, format!("its console calls it {said:?}, and not PgBouncer"))))
}

/// The configuration, of what `SHOW CONFIG` answered.
pub(super) struct Config(BTreeMap<String, String>);

impl Config {
    pub(super) fn read(answers: &Answers<'_>) -> Result<Self, Unreadable> {
        let mut all = BTreeMap::new();
        for row in answers.rows().filter(|row| row.has("key")) {
            let value = row.text("value")?.unwrap_or_default();
            all.insert(row.text("key")?.unwrap_or_default().to_owned(), value.to_owned());
        }
        Ok(Config(all))
    }

    /// A value; `None` where this version has no such setting.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_is_read_and_compared_by_its_numbers() {
        for (text, version) in [
            ("PgBouncer 1.18.0", Some(Version(1, 18, 0))),
            ("PgBouncer 1.9", Some(Version(1, 9, 0))),
            ("PgBouncer 1.25.2 (Debian)", Some(Version(1, 25, 2))),
            ("PgBouncer 1.26.1-rc", Some(Version(1, 26, 1))),
            ("PgCat 1.2.0", None),
            ("PgBouncer", None),
            ("PgBouncer x", None),
            ("", None),
        ] {
            assert_eq!(Version::read(text), version, "{text}");
        }
        assert!(Version(1, 9, 0) < Version(1, 18, 0) && Version(1, 25, 1) < Version(1, 25, 2));
    }
}
