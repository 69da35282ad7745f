//! No value is told, in any language that the server speaks.

use super::*;
use proptest::prelude::*;
use std::path::PathBuf;

#[test]
fn a_known_message_is_told_up_to_its_value() {
    for (code, message, told) in [
        (
            "22P02",
            "invalid input syntax for type integer: \"s\"",
            "invalid input syntax for type integer: ...",
        ),
        (
            "22P02",
            "ungültige Eingabesyntax für Typ integer: »s«",
            "a text cannot be read as the type that is wanted",
        ),
        ("22P02", "a mark alone: \"s", "a text cannot be read as the type that is wanted"),
        ("22023", "invalid value for parameter \"a\": \"s\"", "invalid value for parameter ..."),
        ("22012", "division by zero", "division by zero"),
        (
            "22001",
            "value too long for type character varying(3)",
            "value too long for type character varying(3)",
        ),
        ("22003", "value \"99999999999\" is out of range for type integer", "a number is out of range"),
        (
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
            "invalid byte sequence for encoding ...",
        ),
        ("22999", "something new: s", "a value was refused"),
        ("42601", "syntax error at or near \"FROM\"", "syntax error at or near \"FROM\""),
        ("42601", "syntax error at or near \")\"", "syntax error at or near \")\""),
        ("42601", "syntax error at or near \"'s'\"", "syntax error at or near ..."),
        ("42601", "syntax error at or near \"hiddenword\"", "syntax error at or near ..."),
        ("42601", "syntax error at or near \"hidden\" of jsonpath input", "syntax error at or near ..."),
        ("42601", "syntax error at end of input", "syntax error at end of input"),
        ("42601", "unterminated quoted string at or near \"'s, 1\"", "unterminated quoted string ..."),
        ("42601", "syntax error at or near \"4711\"", "syntax error at or near ..."),
        ("42601", "Syntaxfehler bei »s«", "syntax error"),
    ] {
        assert_eq!(without_value(code, message), told, "{message}");
    }
}

proptest! {
    #[test]
    fn what_stands_behind_a_beginning_is_not_told(at in 0..BEGINNINGS.len(), between in "[ :\"'»«]{1,4}", value in "[A-Z]{9}") {
        let message = format!("{}{between}{value}", BEGINNINGS[at]);
        prop_assume!(!BEGINNINGS[at].ends_with("for type") || between.contains(':'));
        for code in ["22P02", "42601"] {
            prop_assert!(!without_value(code, &message).contains(&value), "{message}");
        }
    }

    #[test]
    fn no_message_makes_it_panic(code in "22[0-9A-Z]{3}|42601", message in ".{0,60}") {
        let _ = without_value(&code, &message);
    }
}

/// Every message that the server has in its catalogs, with a value in each place that takes one, in every language.
#[test]
fn no_translation_of_any_message_lets_a_value_through() {
    let catalogs = catalogs();
    assert!(!catalogs.is_empty(), "the server's catalogs are not installed");
    let mut count = 0;
    for catalog in &catalogs {
        let bytes = std::fs::read(catalog).expect("a catalog");
        for text in translations(&bytes).expect("a catalog in GNU's format") {
            let Some(filled) = filled(&text) else { continue };
            count += 1;
            for code in ["22P02", "22003", "22023", "42601"] {
                let told = without_value(code, &filled);
                let is_type = told.contains("for type");
                assert!(is_type || !told.contains(VALUE), "{}: {filled} -> {told}", catalog.display());
            }
        }
    }
    assert!(count > 1_000, "only {count} messages take a value");
}

const VALUE: &str = "hiddenvalue";

fn catalogs() -> Vec<PathBuf> {
    let languages = std::fs::read_dir("/usr/share/locale").into_iter().flatten().flatten();
    let of = |path: PathBuf| {
        let files = std::fs::read_dir(path.join("LC_MESSAGES")).into_iter().flatten().flatten();
        files.map(|file| file.path()).filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("postgres-") && name.ends_with(".mo")
        })
    };
    languages.flat_map(|language| of(language.path())).collect()
}

/// The message with a value for each conversion of printf; `None` if it has none.
fn filled(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    let mut has_value = false;
    while let Some((before, conversion)) = rest.split_once('%') {
        out.push_str(before);
        let end = conversion.find(|c: char| c.is_ascii_alphabetic() || c == '%')?;
        let long = conversion[end..].chars().take_while(|c| matches!(c, 'l' | 'z' | 'h')).count();
        let kind = conversion[end + long..].chars().next()?;
        match kind {
            '%' => out.push('%'),
            _ => {
                has_value = true;
                out.push_str(VALUE);
            }
        }
        rest = &conversion[end + long + kind.len_utf8()..];
    }
    out.push_str(rest);
    has_value.then_some(out)
}

/// The translated texts of a catalog in GNU's binary format: a header, and two tables of lengths and offsets.
fn translations(bytes: &[u8]) -> Option<Vec<String>> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    if word(0)? != 0x9504_12de {
        return None;
    }
    let (count, table) = (word(8)?, word(16)?);
    let text = |n: usize| {
        let (length, at) = (word(table + 8 * n)?, word(table + 8 * n + 4)?);
        Some(String::from_utf8_lossy(bytes.get(at..at + length)?).into_owned())
    };
    (0..count).map(text).collect()
}
