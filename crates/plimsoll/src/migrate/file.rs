//! Migration files: their sources, their names, their first lines, and what is wrong with them.
//!
//! A file's name begins with its version, a whole number: `001_initial_schema.sql`, `20260101093000-devices.sql`. The
//! history is keyed by that number, so of two files with one number one would never run; and `036a` is no number,
//! although sorting by name makes it look like one. The checksum of a file's text shows whether it was changed; all
//! line ends count as the same in it, so that a checkout on another system changes nothing.
//!
//! Files of other tools are understood if that loses nothing (the pairs of `.up.sql` and `.down.sql`, of which only
//! the first is run; the two lines around a dump of `pg_dump`; `-- no-transaction` of sqlx); otherwise the problem
//! says what to do.
//!
//! Files should be compiled into the program where that is possible, because then no deployment can lack them.

use super::script;
use super::script::Kind;
use super::{folder, naming, other_tools, psql};
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
    /// The SHA-256 of its text, every line end read as a line feed, in hexadecimal.
    pub checksum: String,
    /// Whether it begins with `-- plimsoll: no transaction`, or with sqlx's `-- no-transaction`.
    pub outside_transaction: bool,
}

impl Migrations {
    /// Files that are compiled in, as pairs of name and text; what [`migrations!`](crate::migrations) makes.
    #[must_use]
    pub const fn embedded(files: &'static [(&'static str, &'static str)]) -> Self {
        Migrations { source: Source::Embedded(files) }
    }

    /// Reads every `.sql` file of a folder, or a single file; files named `.down.sql` undo another one and are left
    /// out. A relative path is looked up in the working directory, then in the directory of the program.
    ///
    /// If the path does not exist, this logs a warning and there is nothing to apply, so that a program still starts on
    /// a database that is up to date. A file that exists and cannot be read is an error as soon as the migrations are
    /// used.
    #[must_use]
    pub fn from_folder(path: impl AsRef<Path>) -> Self {
        let path = folder::located(path.as_ref());
        let (mut files, mut unreadable) = (Vec::new(), Vec::new());
        let missing = match folder::read(&path, &mut files, &mut unreadable) {
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

    /// The folder or file, if it does not exist.
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
    /// Everything that is wrong with any of them, one sentence for each problem, before the first one runs.
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
        for (file, sql) in pairs.into_iter().filter(|(file, _)| !naming::is_down(file)) {
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
        let named = naming::of(&file).unwrap_or_else(|problem| {
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

fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Whether the comments at the head of the file contain `-- plimsoll: no transaction`.
fn directive(file: &str, sql: &str) -> Result<bool, String> {
    let lines = sql.split(['\n', '\r']).map(str::trim);
    let head = lines.take_while(|line| line.is_empty() || line.starts_with("--"));
    let mut said = other_tools::is_sqlx_without_transaction(sql);
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

/// The problems of statements that cannot run in this file.
fn misplaced(file: &str, sql: &str, outside: bool) -> Vec<String> {
    let problem = |statement: &script::Statement<'_>| {
        let line = statement.line;
        match statement.kind {
            Kind::EndsTransaction if outside => Some(format!(
                "{file} line {line}: the file begins or ends a transaction, and it says that it runs outside of one, statement by statement; take BEGIN, COMMIT and ROLLBACK out, and put what belongs together into a file of its own that does not say \"-- plimsoll: no transaction\""
            )),
            Kind::EndsTransaction => Some(format!(
                "{file} line {line}: the file begins or ends a transaction of its own; a file is one transaction and stands in the history only if all of it does: take BEGIN, COMMIT and ROLLBACK out; if what stands before this line has to be committed first, split the file here, since each file commits by itself; if each statement has to commit by itself, begin the file with \"-- plimsoll: no transaction\""
            )),
            Kind::StandsAlone if !outside => Some(format!(
                "{file} line {line}: this statement cannot run inside a transaction; move it to a file of its own that begins with \"-- plimsoll: no transaction\""
            )),
            Kind::CopiesFromClient => Some(format!(
                "{file} line {line}: COPY FROM STDIN reads rows from a client, and here is none; write INSERT; pg_dump does with --inserts or --rows-per-insert=1000"
            )),
            Kind::ForPsql => Some(format!("{file} line {line}: {}", psql::advice(statement.sql))),
            Kind::StandsAlone | Kind::Ordinary => None,
        }
    };
    let mut problems: Vec<String> = script::statements(sql).iter().filter_map(problem).collect();
    if let Some(at) = sql.find('\0') {
        let line = 1 + sql.get(..at).unwrap_or_default().matches('\n').count();
        problems.push(format!(
            "{file} line {line}: there is a zero byte, which no SQL holds; if the file was saved as UTF-16, save it as UTF-8"
        ));
    }
    problems
}

impl Migration {
    /// Whether this checksum of the history belongs to this text. An older history was written before a single carriage
    /// return counted as a line end.
    pub(super) fn is_text_of(&self, checksum: &str) -> bool {
        self.checksum == checksum
            || (self.sql.contains('\r') && checksum == hashed(&self.sql.replace("\r\n", "\n")))
    }
}

fn checksum(sql: &str) -> String {
    hashed(&sql.replace("\r\n", "\n").replace('\r', "\n"))
}

fn hashed(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
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

    #[test]
    fn the_head_is_read_whatever_ends_its_lines() {
        for end in ["\n", "\r\n", "\r"] {
            let sql = ["-- about", "-- plimsoll: no transaction", "vacuum"].join(end);
            assert!(directive("f", &sql).unwrap(), "{sql:?}");
        }
    }

    #[test]
    fn a_checksum_from_before_is_known_again() {
        let read = |sql: &'static str| Migration::read("1_a.sql".into(), Cow::Borrowed(sql)).unwrap();
        // The rule was: a carriage return and a line feed are one line feed, and a carriage return is itself.
        let then = hashed("-- a\rselect 1;\nselect 2\r");
        assert!(read("-- a\rselect 1;\r\nselect 2\r").is_text_of(&then));
        assert!(
            !read("-- a\nselect 1;\nselect 2\n").is_text_of(&then),
            "then, its first statement was a comment"
        );
        assert!(read("-- a\nselect 1").is_text_of(&read("-- a\rselect 1").checksum));
        assert!(read("\u{feff}select 1").is_text_of(&hashed("select 1")));
    }

    proptest::proptest! {
        #[test]
        fn line_ends_do_not_change_a_checksum(lines in proptest::collection::vec("[a-z ;'\r]{0,8}", 0..6)) {
            let lines: Vec<_> = lines.iter().map(|line| line.trim_end_matches('\r')).collect();
            proptest::prop_assert_eq!(checksum(&lines.join("\n")), checksum(&lines.join("\r\n")));
            proptest::prop_assert_eq!(checksum(&lines.join("\n")), checksum(&lines.join("\r")));
            proptest::prop_assert_ne!(checksum(&lines.join("\n")), checksum(&(lines.join("\n") + "x")));
        }
    }
}
