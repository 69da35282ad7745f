//! A server's message about a value that it refused, without the value.
//!
//! The messages of class 22 and those of a syntax error (42601) quote what was refused: a parameter, a constant, a part of
//! the statement. Where the value stands depends on the server's language, and some translations put no quotes around it.
//! So nothing is taken from such a message but what is known: the beginning of a message in English, else the name of
//! the code.

/// The beginnings that are told, as the server has them in English. None holds a value.
const BEGINNINGS: &[&str] = &[
    "array size exceeds the maximum allowed",
    "bigint out of range",
    "bit string length",
    "cannot take logarithm of a negative number",
    "cannot take logarithm of zero",
    "cannot take square root of a negative number",
    "date out of range",
    "date/time field value out of range",
    "division by zero",
    "integer out of range",
    "interval out of range",
    "invalid byte sequence for encoding",
    "invalid hexadecimal digit",
    "invalid input syntax for type",
    "invalid input value for enum",
    "invalid name syntax",
    "invalid regular expression",
    "invalid value for parameter",
    "malformed array literal",
    "malformed range literal",
    "malformed record literal",
    "more than one row returned by a subquery used as an expression",
    "multidimensional arrays must have array expressions with matching dimensions",
    "negative substring length not allowed",
    "null character not permitted",
    "numeric field overflow",
    "range lower bound must be less than or equal to range upper bound",
    "real out of range",
    "smallint out of range",
    "syntax error at end of input",
    "syntax error at or near",
    "time zone displacement out of range",
    "timestamp out of range",
    "unrecognized parameter",
    "unsupported Unicode escape sequence",
    "unterminated /* comment",
    "unterminated bit string literal",
    "unterminated dollar-quoted string",
    "unterminated quoted identifier",
    "unterminated quoted string",
    "value out of range: overflow",
    "value out of range: underflow",
    "value too long for type",
    "zero-length delimited identifier",
];

/// The names of the codes, for a message that is not known. Source: PostgreSQL's appendix A.
const NAMES: &[(&str, &str)] = &[
    ("22001", "a text is too long for its column"),
    ("22003", "a number is out of range"),
    ("22004", "a null value is not allowed"),
    ("22007", "a date or time cannot be read"),
    ("22008", "a date or time is out of range"),
    ("22011", "substring error"),
    ("22012", "division by zero"),
    ("22021", "a character is not in the encoding's repertoire"),
    ("22022", "indicator overflow"),
    ("22023", "invalid parameter value"),
    ("22025", "invalid escape sequence"),
    ("22026", "string data, length mismatch"),
    ("2202E", "array subscript error"),
    ("22030", "a JSON object has a key twice"),
    ("22032", "invalid JSON text"),
    ("2201B", "invalid regular expression"),
    ("2201E", "invalid argument for a logarithm"),
    ("2201F", "invalid argument for a power function"),
    ("2201W", "invalid row count in LIMIT"),
    ("2201X", "invalid row count in OFFSET"),
    ("22P02", "a text cannot be read as the type that is wanted"),
    ("22P03", "binary data cannot be read as the type that is wanted"),
    ("22P04", "the data of a COPY has a bad format"),
    ("22P05", "a character has no place in the other encoding"),
    ("42601", "syntax error"),
];

/// Words that are shown in a syntax error, since they are the language's own.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "copy",
    "create",
    "cross",
    "default",
    "delete",
    "desc",
    "distinct",
    "do",
    "drop",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "if",
    "in",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "join",
    "key",
    "lateral",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "set",
    "some",
    "table",
    "then",
    "to",
    "trigger",
    "true",
    "union",
    "unique",
    "update",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
];

/// Whether a message with this code may quote a value.
pub(crate) fn may_quote_a_value(code: &str) -> bool {
    code.starts_with("22") || code == "42601"
}

/// What is told of a message that may quote a value.
pub(crate) fn without_value(code: &str, message: &str) -> String {
    let known = BEGINNINGS.iter().filter(|beginning| message.starts_with(**beginning));
    let Some(beginning) = known.max_by_key(|beginning| beginning.len()) else {
        return name_of(code).to_owned();
    };
    let rest = message.get(beginning.len()..).unwrap_or_default();
    if rest.is_empty() {
        return (*beginning).to_owned();
    }
    format!(
        "{beginning}{}",
        rest_that_is_no_value(code, beginning, rest).unwrap_or_else(|| " ...".to_owned())
    )
}

fn name_of(code: &str) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == code).map_or("a value was refused", |(_, name)| name)
}

/// What follows a known beginning, if it is a type's name, or a keyword or sign of the statement.
fn rest_that_is_no_value(code: &str, beginning: &str, rest: &str) -> Option<String> {
    if beginning.ends_with("for type") {
        // The value follows behind a colon.
        let (of_type, value) = rest.split_once(':').map_or((rest, None), |(name, value)| (name, Some(value)));
        let is_name =
            of_type.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _(),.\"[]".contains(&byte));
        return is_name.then(|| format!("{of_type}{}", if value.is_some() { ": ..." } else { "" }));
    }
    let token = rest.strip_prefix(" \"")?.strip_suffix('"')?;
    let is_sign = (1..=3).contains(&token.len()) && token.chars().all(|c| "(),;:.=<>+-*/[]".contains(c));
    let is_keyword = KEYWORDS.contains(&token.to_ascii_lowercase().as_str());
    (code == "42601" && (is_sign || is_keyword)).then(|| rest.to_owned())
}

/// No value is told, in any language that the server speaks.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogs;
    use proptest::prelude::*;

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
    fn no_translation_lets_a_value_through_by_catalogs() {
        let catalogs = catalogs::of_server();
        assert!(!catalogs.is_empty(), "the server's catalogs are not installed");
        let mut count = 0;
        for (path, catalog) in &catalogs {
            for text in catalog.values() {
                let Some(filled) = filled(text) else { continue };
                count += 1;
                for code in ["22P02", "22003", "22023", "42601"] {
                    let told = without_value(code, &filled);
                    let is_type = told.contains("for type");
                    assert!(is_type || !told.contains(VALUE), "{}: {filled} -> {told}", path.display());
                }
            }
        }
        assert!(count > 1_000, "only {count} messages take a value");
    }

    const VALUE: &str = "hiddenvalue";

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
}
