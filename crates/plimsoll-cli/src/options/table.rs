//! The name of a table on the command line, as SQL accepts it: `orders`, `public.orders`, `public."Order Lines"`.
//!
//! Without quotes a name is read in small letters, as the server does; with them as it stands. Names that come from the server are
//! printed with their schema, and quoted where SQL needs it, so that what a command prints is what another one accepts.

use plimsoll_inspect::checks::subject::quoted;
use std::fmt;
use std::str::{Chars, FromStr};

/// What a refusal says.
const AS_IN_SQL: &str = "write it as in SQL: orders, public.orders, or in quotes where it has capital letters or blanks: \
                         'public.\"Order Lines\"'";

/// A table, in one schema or in whatever schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    said: String,
    schema: Option<String>,
    name: String,
}

impl TableName {
    /// The schema, as the server has it, if one was named.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name as it may stand in a statement.
    pub(crate) fn in_sql(&self) -> String {
        let parts = self.schema.iter().chain([&self.name]);
        parts.map(|part| quoted(part)).collect::<Vec<_>>().join(".")
    }

    /// The table alone, as the server has it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the server's name of a table, with its schema and quoted where that is needed, is that of this one.
    pub(crate) fn means(&self, qualified: &str) -> bool {
        parts(qualified).is_some_and(|parts| match parts.as_slice() {
            [schema, name] => {
                *name == self.name && self.schema.as_ref().is_none_or(|wanted| wanted == schema)
            }
            _ => false,
        })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl FromStr for TableName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let mut parts = parts(text).ok_or(AS_IN_SQL)?.into_iter();
        let said = text.to_owned();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), None, None) => Ok(TableName { said, schema: None, name }),
            (Some(schema), Some(name), None) => Ok(TableName { said, schema: Some(schema), name }),
            _ => Err(AS_IN_SQL),
        }
    }
}

/// The names between the dots, as the server has them; `None` where SQL would not accept it.
fn parts(text: &str) -> Option<Vec<String>> {
    let (mut all, mut letters) = (Vec::new(), text.chars());
    loop {
        let (name, more) = part(&mut letters)?;
        all.push(name);
        if !more {
            return Some(all);
        }
    }
}

/// One name, and whether a dot follows.
fn part(letters: &mut Chars<'_>) -> Option<(String, bool)> {
    let mut name = String::new();
    if letters.as_str().starts_with('"') {
        letters.next();
        loop {
            match letters.next()? {
                '"' if letters.as_str().starts_with('"') => name.extend(letters.next()),
                '"' => break,
                letter => name.push(letter),
            }
        }
        return match letters.next() {
            _ if name.is_empty() => None,
            None => Some((name, false)),
            Some('.') => Some((name, true)),
            Some(_) => None,
        };
    }
    for letter in letters.by_ref() {
        match letter {
            '.' if !name.is_empty() => return Some((name, true)),
            '0'..='9' | '$' if !name.is_empty() => name.push(letter),
            'a'..='z' | '_' => name.push(letter),
            'A'..='Z' => name.push(letter.to_ascii_lowercase()),
            // The server folds no others.
            letter if !letter.is_ascii() => name.push(letter),
            _ => return None,
        }
    }
    (!name.is_empty()).then_some((name, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(Option<String>, String)> {
        text.parse().ok().map(|table: TableName| (table.schema, table.name))
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        for (text, schema, name) in [
            ("orders", None, "orders"),
            ("Public.ORDERS", Some("public"), "orders"),
            ("public.\"Order Lines\"", Some("public"), "Order Lines"),
            ("\"a.b\".\"c\"\"d\"", Some("a.b"), "c\"d"),
            ("größe_1$", None, "größe_1$"),
        ] {
            assert_eq!(read(text), Some((schema.map(str::to_owned), name.to_owned())), "{text}");
        }
        for refused in [
            "", ".", "a.", ".a", "1a", "it's", "a b", "\"a", "\"\"", "\"a\"b", "a.b.c", "public.*", "a;b",
            "a\"b\"",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_name_means_what_the_server_calls_so() {
        let means = |said: &str, qualified| said.parse::<TableName>().unwrap().means(qualified);
        assert!(means("orders", "public.orders") && means("ORDERS", "shop.orders"));
        assert!(means("\"Order Lines\"", "public.\"Order Lines\"") && means("\"order\"", "public.\"order\""));
        assert!(!means("orders", "public.\"Orders\"") && !means("shop.orders", "public.orders"));
        // A dot inside of quotes ends no schema.
        assert!(
            !means("orders", "public.\"old.orders\"") && !means("public.orders", "\"old.public\".orders")
        );
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(schema in ".{1,8}", name in ".{1,8}") {
            let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            let text = format!("{}.{}", quoted(&schema), quoted(&name));
            // A command line has no blanks around it.
            prop_assert_eq!(read(&text), Some((Some(schema), name)));
        }

        #[test]
        fn no_text_is_too_much(text in ".{0,20}") {
            let _ = read(&text);
        }
    }

    #[test]
    fn what_stands_in_a_statement_is_quoted() {
        for (said, sql) in [
            ("public.Orders", r#""public"."orders""#),
            (r#""My.Table""#, r#""My.Table""#),
            (r#""a; DROP TABLE b""#, r#""a; DROP TABLE b""#),
            (r#""a""b".c"#, r#""a""b"."c""#),
        ] {
            assert_eq!(said.parse::<TableName>().unwrap().in_sql(), sql);
        }
    }
}
