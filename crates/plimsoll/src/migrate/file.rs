//! Migration files: where they come from, what their names and first lines say, and what is wrong with them.
//!
//! A file's name begins with its version, a whole number: `001_initial_schema.sql`, `20260101093000-devices.sql`. The
//! history is keyed by that number, so two files with one number would mean that one of them never runs; and `036a` is
//! no number, although sorting by name makes it look like one. A file is known again by the checksum of its text, in
//! which line ends count as one sort, so that a checkout on another system changes nothing.
//!
//! Files are compiled into the program where that is possible: what cannot be left out of the package cannot be
//! missing from it.

use super::script::{self, Kind};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// The migrations of a program.
///
/// Made by [`migrations!`](crate::migrations), which compiles the files in, or by [`Migrations::from_folder`].
#[derive(Clone, Debug)]
pub struct Migrations {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Embedded(&'static [(&'static str, &'static str)]),
    Read { files: Vec<(String, String)>, unreadable: Vec<String>, missing: Option<PathBuf> },
}

/// One migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The number that its name begins with.
    pub version: i64,
    /// What its name says after the number.
    pub name: String,
    /// The name of the file.
    pub file: String,
    /// Its text.
    pub sql: Cow<'static, str>,
    /// The SHA-256 of its text, line ends made equal, in hexadecimal.
    pub checksum: String,
    /// Whether it says `-- plimsoll: no transaction`.
    pub outside_transaction: bool,
}

impl Migrations {
    /// Files that are compiled in, as pairs of name and text; what [`migrations!`](crate::migrations) makes.
    #[must_use]
    pub const fn embedded(files: &'static [(&'static str, &'static str)]) -> Self {
        Migrations { source: Source::Embedded(files) }
    }

    /// Reads every `.sql` file of a folder, or the one file that is named. A relative path is looked for where the
    /// program was started, then beside the program itself.
    ///
    /// What is not there is warned of and leaves nothing to apply, so that a program still starts on a database that
    /// needs nothing. A file that is there and cannot be read is an error as soon as the migrations are used.
    #[must_use]
    pub fn from_folder(path: impl AsRef<Path>) -> Self {
        let path = located(path.as_ref());
        let (mut files, mut unreadable) = (Vec::new(), Vec::new());
        let missing = match read(&path, &mut files, &mut unreadable) {
            Ok(()) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                tracing::warn!(target: "plimsoll", "Schema file not found: {}", path.display());
                Some(path)
            }
            Err(error) => {
                unreadable.push(format!("{} could not be read: {error}", path.display()));
                None
            }
        };
        Migrations { source: Source::Read { files, unreadable, missing } }
    }

    /// The folder or file that was asked for and is not there.
    #[must_use]
    pub fn missing(&self) -> Option<&Path> {
        match &self.source {
            Source::Embedded(_) => None,
            Source::Read { missing, .. } => missing.as_deref(),
        }
    }

    /// The files in the order of their versions.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, a sentence each: it is better known before the first has run.
    pub fn files(&self) -> Result<Vec<Migration>, Vec<String>> {
        let mut problems = Vec::new();
        let pairs: Vec<(String, Cow<'static, str>)> = match &self.source {
            Source::Embedded(files) => {
                files.iter().map(|(file, sql)| (base(file).to_owned(), Cow::Borrowed(*sql))).collect()
            }
            Source::Read { files, unreadable, .. } => {
                problems.clone_from(unreadable);
                files.iter().map(|(file, sql)| (file.clone(), Cow::Owned(sql.clone()))).collect()
            }
        };
        let mut files: Vec<Migration> = Vec::new();
        for (file, sql) in pairs {
            match Migration::read(file, sql) {
                Ok(migration) => files.push(migration),
                Err(found) => problems.extend(found),
            }
        }
        files.sort_by(|a, b| (a.version, &a.file).cmp(&(b.version, &b.file)));
        problems.extend(files.windows(2).filter_map(|pair| match pair {
            [a, b] if a.version == b.version => Some(format!(
                "{} and {} have the same version {}: only one of them would ever run; give one of them the next free number",
                a.file, b.file, a.version
            )),
            _ => None,
        }));
        if problems.is_empty() { Ok(files) } else { Err(problems) }
    }
}

impl Migration {
    fn read(file: String, sql: Cow<'static, str>) -> Result<Self, Vec<String>> {
        let sql = match sql {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_start_matches('\u{feff}')),
            Cow::Owned(text) => Cow::Owned(text.trim_start_matches('\u{feff}').to_owned()),
        };
        let mut problems = Vec::new();
        let named = name_of(&file).unwrap_or_else(|problem| {
            problems.push(problem);
            (0, String::new())
        });
        let outside_transaction = directive(&file, &sql).unwrap_or_else(|problem| {
            problems.push(problem);
            false
        });
        problems.extend(misplaced(&file, &sql, outside_transaction));
        if !problems.is_empty() {
            return Err(problems);
        }
        let (version, name) = named;
        let checksum = checksum(&sql);
        Ok(Migration { version, name, file, sql, checksum, outside_transaction })
    }
}

fn located(path: &Path) -> PathBuf {
    if path.is_relative() && !path.exists() {
        let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(path)));
        if let Some(beside) = beside.filter(|beside| beside.exists()) {
            return beside;
        }
    }
    path.to_owned()
}

fn read(path: &Path, files: &mut Vec<(String, String)>, unreadable: &mut Vec<String>) -> io::Result<()> {
    let paths = if path.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.into_iter().map(|entry| entry.path()).filter(|path| is_sql(path)).collect()
    } else {
        vec![path.to_owned()]
    };
    for path in paths {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match std::fs::read_to_string(&path) {
            Ok(sql) => files.push((file, sql)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) => unreadable.push(format!("{} could not be read: {error}", path.display())),
        }
    }
    Ok(())
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) && path.is_file()
}

fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Version and name.
fn name_of(file: &str) -> Result<(i64, String), String> {
    let stem = file.strip_suffix(".sql").or_else(|| file.strip_suffix(".SQL")).unwrap_or(file);
    let end = stem.find(['_', '-', '.', ' ']).unwrap_or(stem.len());
    let (number, rest) = stem.split_at(end);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse() {
        Ok(version) if is_number => {
            Ok((version, rest.trim_start_matches(['_', '-', '.', ' ']).replace('_', " ")))
        }
        _ => Err(format!(
            "{file}: \"{number}\" is not a version; a file's name begins with a whole number, as in 001_{}.sql, and the next file takes the next number",
            if rest.is_empty() { "name" } else { rest.trim_start_matches(['_', '-', '.', ' ']) }
        )),
    }
}

/// Whether the comments at the head of the file say `-- plimsoll: no transaction`.
fn directive(file: &str, sql: &str) -> Result<bool, String> {
    let head = sql.lines().map(str::trim).take_while(|line| line.is_empty() || line.starts_with("--"));
    let mut said = false;
    for line in head {
        let Some(word) = line.trim_start_matches('-').trim().strip_prefix("plimsoll:") else { continue };
        if word.trim() != "no transaction" {
            return Err(format!(
                "{file}: \"plimsoll: {}\" is not known; the only thing that can be said there is \"-- plimsoll: no transaction\"",
                word.trim().chars().take(40).collect::<String>()
            ));
        }
        said = true;
    }
    Ok(said)
}

/// Statements that cannot be where they are.
fn misplaced(file: &str, sql: &str, outside: bool) -> Vec<String> {
    let problem = |statement: &script::Statement<'_>| {
        let line = statement.line;
        match statement.kind {
            Kind::EndsTransaction => Some(format!(
                "{file} line {line}: the file begins or ends a transaction of its own; leave BEGIN, COMMIT and ROLLBACK out, since a file is one transaction and stands in the history only if all of it does"
            )),
            Kind::StandsAlone if !outside => Some(format!(
                "{file} line {line}: this statement cannot run inside a transaction; move it to a file of its own that begins with \"-- plimsoll: no transaction\""
            )),
            Kind::CopiesFromClient => Some(format!(
                "{file} line {line}: COPY FROM STDIN reads rows from a client, and here is none; write INSERT"
            )),
            Kind::StandsAlone | Kind::Ordinary => None,
        }
    };
    script::statements(sql).iter().filter_map(problem).collect()
}

fn checksum(sql: &str) -> String {
    let mut hash = Sha256::new();
    for part in sql.split_inclusive("\r\n") {
        match part.strip_suffix("\r\n") {
            Some(line) => {
                hash.update(line);
                hash.update("\n");
            }
            None => hash.update(part),
        }
    }
    hash.finalize().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &'static [(&'static str, &'static str)]) -> String {
        Migrations::embedded(files).files().unwrap_err().join("\n")
    }

    #[test]
    fn names_give_version_and_name() {
        for (file, version, name) in [
            ("001_initial_schema.sql", 1, "initial schema"),
            ("20260101093000-devices.sql", 20_260_101_093_000, "devices"),
            ("7.sql", 7, ""),
        ] {
            assert_eq!(name_of(file).unwrap(), (version, name.to_owned()));
        }
        for file in
            ["036a_late.sql", "V1__x.sql", "x.sql", "-1_x.sql", "99999999999999999999_x.sql", "+1_x.sql"]
        {
            assert!(name_of(file).unwrap_err().contains("is not a version"), "{file}");
        }
    }

    #[test]
    fn files_are_ordered_by_number_and_gaps_are_fine() {
        let all =
            Migrations::embedded(&[("m/010_c.sql", "select 3"), ("m/2_b.sql", ""), ("m/001_a.sql", "")]);
        let versions: Vec<_> = all.files().unwrap().iter().map(|file| file.version).collect();
        assert_eq!(versions, [1, 2, 10]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let told = problems(&[
            ("036_a.sql", "select 1"),
            ("036a_b.sql", "begin; select 1; commit"),
            ("36_c.sql", "vacuum"),
            ("36_d.sql", ""),
            ("40_e.sql", "-- plimsoll: no-transaction\nvacuum"),
        ]);
        for part in [
            "036_a.sql and 36_d.sql have the same version 36",
            "\"036a\" is not a version",
            "036a_b.sql line 1: the file begins or ends a transaction",
            "36_c.sql line 1: this statement cannot run inside",
            "\"plimsoll: no-transaction\" is not known",
        ] {
            assert!(told.contains(part), "{part} is missing in:\n{told}");
        }
    }

    #[test]
    fn only_the_head_of_a_file_says_that_it_runs_outside() {
        assert!(directive("f", "\n-- about\n--  plimsoll: no transaction \nvacuum").unwrap());
        assert!(!directive("f", "select 1;\n-- plimsoll: no transaction").unwrap());
    }

    proptest::proptest! {
        #[test]
        fn line_ends_do_not_change_a_checksum(lines in proptest::collection::vec("[a-z ;'\r]{0,8}", 0..6)) {
            let lines: Vec<_> = lines.iter().map(|line| line.trim_end_matches('\r')).collect();
            proptest::prop_assert_eq!(checksum(&lines.join("\n")), checksum(&lines.join("\r\n")));
            proptest::prop_assert_ne!(checksum(&lines.join("\n")), checksum(&(lines.join("\n") + "x")));
        }
    }
}
