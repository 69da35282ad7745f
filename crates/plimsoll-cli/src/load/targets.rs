//! What is called: from the command line, and from a small file.
//!
//! ```toml
//! [[target]]
//! name = "list by tag"          # else the method and the path, or the statement
//! weight = 3                    # of all weights; else 1
//! url = "http://127.0.0.1:8080/devices?tag=pump"
//! method = "GET"                # else GET, or POST where there is a body
//! headers = { Authorization = "Bearer ..." }
//! body = "..."                  # or body_file
//!
//! [[target]]
//! sql = "SELECT ..."            # or sql_file, for `plimsoll load sql`
//! ```

use super::figures::Share;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

/// The largest file that is read as a body, a statement or a list of targets.
const LARGEST: u64 = 16 << 20;
/// So many targets at most: each keeps times of its own.
const MOST: usize = 100;
const HEAVIEST: u32 = 10_000;

/// A target as it was said.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Said {
    pub(super) name: Option<String>,
    #[serde(default = "one")]
    pub(super) weight: u32,
    pub(super) url: Option<String>,
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    pub(super) body_file: Option<PathBuf>,
    pub(super) sql: Option<String>,
    pub(super) sql_file: Option<PathBuf>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    target: Vec<Said>,
}

/// Reads a file of targets; the files that it names lie beside it.
///
/// # Errors
/// It cannot be read, or is not of this form.
pub(super) fn read(path: &Path) -> Result<Vec<Said>> {
    let file: File = toml::from_str(&text_of(path)?).map_err(|error| {
        let told = error.to_string();
        let line = told.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        let place =
            told.lines().next().unwrap_or_default().trim_start_matches("TOML parse error ").to_owned();
        anyhow::anyhow!("{} is no list of targets: {place}: {line}", path.display())
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let beside = |file: Option<PathBuf>| file.map(|file| folder.join(file));
    Ok(file
        .target
        .into_iter()
        .map(|said| Said { body_file: beside(said.body_file), sql_file: beside(said.sql_file), ..said })
        .collect())
}

/// Makes sure of what holds for all kinds of targets.
///
/// # Errors
/// There is none, there are too many, or no weight is more than 0.
pub(super) fn check(targets: &[Said]) -> Result<()> {
    ensure!(targets.len() <= MOST, "there are {} targets; {MOST} are the most", targets.len());
    ensure!(
        targets.iter().all(|target| target.weight <= HEAVIEST),
        "a target's weight is a whole number from 0 to {HEAVIEST}"
    );
    ensure!(
        targets.iter().any(|target| target.weight > 0),
        "each target has the weight 0, so there is nothing to call"
    );
    Ok(())
}

/// Makes sure that no two targets have the same name: their figures are told by it.
pub(super) fn tell_apart(shares: &mut [Share]) {
    let mut taken = HashSet::new();
    for share in shares {
        let name = share.name.clone();
        let mut number = 1;
        while !taken.insert(share.name.clone()) {
            number += 1;
            share.name = format!("{name} ({number})");
        }
    }
}

/// `3 POST http://host/path`: a weight, a method, a URL; only the last has to be there.
///
/// # Errors
/// It is of another form.
pub(super) fn in_words(text: &str) -> Result<Said, String> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let url = words.pop().map(str::to_owned);
    let mut said = Said { weight: 1, url, ..Said::default() };
    if let Some(weight) = words.first().and_then(|word| word.parse().ok()) {
        said.weight = weight;
        words.remove(0);
    }
    match words.as_slice() {
        [] => {}
        [method] => said.method = Some((*method).to_owned()),
        _ => return Err("write it as WEIGHT METHOD URL, or leave out the first or both".to_owned()),
    }
    if said.url.is_none() { Err("a URL is missing".to_owned()) } else { Ok(said) }
}

/// Text that is said, or lies in a file. Both is an error.
///
/// # Errors
/// The file cannot be read, is not text or too large.
pub(super) fn text_or_file(text: Option<&str>, file: Option<&Path>, what: &str) -> Result<Option<String>> {
    match (text, file) {
        (Some(_), Some(_)) => bail!("a target has both {what} and {what}_file"),
        (Some(text), None) => Ok(Some(text.to_owned())),
        (None, Some(file)) => text_of(file).map(Some),
        (None, None) => Ok(None),
    }
}

/// A file as text.
///
/// # Errors
/// As [`text_or_file`].
pub(super) fn text_of(path: &Path) -> Result<String> {
    let name = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("{name} cannot be read"))?.len();
    ensure!(size <= LARGEST, "{name} has {size} bytes; {LARGEST} are the most");
    std::fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_in_words_has_a_url_and_perhaps_a_method_and_a_weight() {
        let of = |text| in_words(text).map(|it| (it.weight, it.method, it.url.unwrap()));
        let expected =
            |weight, method: Option<&str>, url: &str| Ok((weight, method.map(str::to_owned), url.to_owned()));
        assert_eq!(of("http://a/b"), expected(1, None, "http://a/b"));
        assert_eq!(of("3 http://a/b"), expected(3, None, "http://a/b"));
        assert_eq!(of(" 3 POST  http://a/b "), expected(3, Some("POST"), "http://a/b"));
        assert_eq!(of("PUT http://a"), expected(1, Some("PUT"), "http://a"));
        assert!(of("").is_err() && of("1 A b http://c").is_err());
    }

    #[test]
    fn targets_of_one_name_are_told_apart() {
        let mut shares = ["a", "a", "a (2)", "b"].map(|name| Share { name: name.to_owned(), weight: 1 });
        tell_apart(&mut shares);
        assert_eq!(shares.map(|share| share.name), ["a", "a (2)", "a (2) (2)", "b"]);
    }

    #[test]
    fn a_file_says_what_is_wrong_with_it_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("targets.toml");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            super::read(&file)
        };
        let found =
            read("[[target]]\nurl = \"http://a\"\nweight = 3\n[[target]]\nsql_file = \"x.sql\"\n").unwrap();
        assert_eq!((found[0].weight, found[0].url.as_deref()), (3, Some("http://a")));
        assert_eq!((found[1].weight, found[1].sql_file.clone()), (1, Some(folder.path().join("x.sql"))));
        for wrong in ["[[target]]\nurk = 1\n", "[[target]]\nweight = -1\n", "target = 3", "[[", "\u{0}"] {
            let told = read(wrong).unwrap_err().to_string();
            assert!(told.contains("is no list of targets: ") && told.lines().count() == 1, "{told}");
        }
        assert!(check(&[]).is_err() && check(&[Said::default()]).is_err());
        assert!(check(&vec![Said { weight: 1, ..Said::default() }; MOST + 1]).is_err());
        assert!(check(&[Said { weight: HEAVIEST + 1, ..Said::default() }]).is_err());
    }
}
