//! The problems of the settings: all of them at once, each with its remedy.
//!
//! A program that stops at the first bad setting is deployed five times to find five of them. So reading never stops:
//! every setting that cannot be used becomes a [`Problem`] with its key as it was written, its value, the allowed
//! values and the remedy, and all of them are returned together.
//!
//! These messages end up in logs, so a value is printed only if it cannot be a secret: not the password, not a
//! connection URL or any part of one, not the value of an unknown key (it may be a misspelt password), and no text
//! that looks as if it contained credentials.

use std::fmt;

/// One setting that cannot be used. It is displayed as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The setting, as its source calls it.
    pub key: String,
    /// The value that was set; three stars if it could be a secret.
    pub value: String,
    /// The allowed values.
    pub allowed: String,
    /// What to do.
    pub remedy: String,
    /// The setting that has no value because of this problem, so that it is not reported as missing as well.
    pub(super) about: &'static str,
}

impl Problem {
    pub(super) fn new(
        key: impl Into<String>,
        value: impl Into<String>,
        allowed: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            allowed: allowed.into(),
            remedy: remedy.into(),
            about: "",
        }
    }

    pub(super) fn about(mut self, setting: &'static str) -> Self {
        self.about = setting;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, allowed, remedy, about: _ } = self;
        write!(f, "{key} is {value}; allowed is {allowed}; {remedy}")
    }
}

/// The settings cannot be used, and these are all the reasons.
///
/// ```
/// # use plimsoll::settings::Settings;
/// let error = Settings::default().hosts("db1").user("app").pool_min(20).pool_max(10).check().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "PL-SET-01 1 problem in the settings:\n\
///      1. pool_min is 20; allowed is at most pool_max, which is 10; lower pool_min or raise pool_max"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsError {
    problems: Vec<Problem>,
}

impl SettingsError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The code of this error in the documentation.
    pub fn code(&self) -> &'static str {
        "PL-SET-01"
    }

    /// Everything that is wrong; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{} {count} {noun} in the settings:", self.code())?;
        for (number, problem) in (1..).zip(&self.problems) {
            write!(f, "\n{number}. {problem}")?;
        }
        Ok(())
    }
}

/// As [`Display`](fmt::Display), because `fn main() -> Result<(), SettingsError>` prints an error by `Debug`.
impl fmt::Debug for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for SettingsError {}

/// Printed in place of a secret.
pub(super) const STARS: &str = "***";

/// A value as it may be printed: in quotes, on one line, at most 60 characters, and stars if it may hold a secret.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 60;
    let lower = text.to_ascii_lowercase();
    if text.contains('@') || ["://", "pass", "pwd", "secret", "token"].iter().any(|word| lower.contains(word))
    {
        return STARS.to_owned();
    }
    match text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)) {
        Some(start) => format!("{:?}", format!("{start}…")),
        None => format!("{text:?}"),
    }
}

/// The known word that was probably meant: one that begins with this word, or one that differs in few letters.
pub(super) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    let begun = |candidate: &&&str| word.chars().count() > 2 && candidate.starts_with(word);
    if let Some(begun) = known.iter().find(begun) {
        return Some(begun);
    }
    let near = known.into_iter().map(|candidate| (distance(word, candidate), candidate)).min()?;
    (near.0 <= (word.chars().count() / 3).clamp(1, 4)).then_some(near.1)
}

/// How many letters must be inserted, removed or changed to turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, letter) in a.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *cell;
            left = changed.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
