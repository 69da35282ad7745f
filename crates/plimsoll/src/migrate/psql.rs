//! Recognises what in a file is meant for psql and not for the server.
//!
//! A dump or a script for psql may contain psql's commands: lines that begin with a backslash. `pg_dump` writes two of
//! them around every plain dump, `\restrict` and `\unrestrict`, which tell psql to obey no other commands in between.
//! No command is obeyed here anyway, so these two are skipped. Any other would be read as SQL, or would silently not
//! do what its author wants, so it is refused, with what to do instead.

use crate::sql::lexer::Token;

/// A line that begins with a backslash, outside of strings and comments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Command<'a> {
    /// From the backslash to the end of the line.
    pub(super) line: &'a str,
    /// Where it begins in the text.
    pub(super) at: usize,
    /// Where its line ends.
    pub(super) end: usize,
}

impl<'a> Command<'a> {
    /// The command that begins with this token, if it is one.
    pub(super) fn at(sql: &'a str, token: &Token<'_>, at: usize) -> Option<Self> {
        if *token != Token::Operator(b"\\") || !begins_line(sql, at) {
            return None;
        }
        let line = sql.get(at..)?.split(['\n', '\r']).next()?;
        Some(Command { line: line.trim_end(), at, end: at + line.len() })
    }

    /// Its name, with the backslash.
    fn name(&self) -> &'a str {
        let end =
            self.line.char_indices().skip(1).find(|(_, c)| !(c.is_alphanumeric() || *c == '_' || *c == '.'));
        self.line.get(..end.map_or(self.line.len(), |(at, _)| at)).unwrap_or_default()
    }

    /// Whether it can be skipped without loss.
    pub(super) fn is_harmless(&self) -> bool {
        matches!(self.name(), "\\restrict" | "\\unrestrict")
    }
}

/// Whether only blanks precede it in its line.
fn begins_line(sql: &str, at: usize) -> bool {
    let before =
        sql.get(..at).unwrap_or_default().trim_end_matches([' ', '\t', '\u{b}', '\u{c}', '\u{feff}']);
    before.is_empty() || before.ends_with(['\n', '\r'])
}

/// The name of the command in a line, and what to do instead.
pub(super) fn advice(line: &str) -> String {
    let command = Command { line, at: 0, end: line.len() };
    let name = command.name();
    let what = match name {
        "\\i" | "\\ir" | "\\include" | "\\include_relative" => {
            "give the file that it names a number and a place among the migrations"
        }
        "\\c" | "\\connect" => {
            "take the line out, since the files run on the connection that the program has; a dump without it comes from pg_dump without --create"
        }
        "\\copy" | "\\." => "write INSERT; pg_dump does with --inserts or --rows-per-insert",
        "\\if" | "\\elif" | "\\else" | "\\endif" => "write the condition in a DO block",
        "\\g" | "\\gx" | "\\gset" | "\\gexec" | "\\gdesc" | "\\watch" | "\\bind" | "\\crosstabview" => {
            "end the statement with a semicolon; what \\gexec or \\gset did belongs into a DO block"
        }
        "\\set" | "\\unset" | "\\prompt" => {
            "take the line out and write the value where its variable stands; a file stops at its first error by itself"
        }
        "\\encoding" => "save the file as UTF-8 and take the line out",
        _ => "take the line out",
    };
    let name = if name.len() < 2 { line.chars().take(20).collect() } else { name.to_owned() };
    format!("{name} is a command of psql, which the server does not know; {what}")
}

/// Where the rows of a `COPY .. FROM STDIN` end whose semicolon is at this place: after the line `\.`, if there is one.
pub(super) fn end_of_rows(sql: &str, semicolon: usize) -> Option<usize> {
    let rest = sql.get(semicolon..)?;
    let mut at = semicolon;
    for line in rest.split_inclusive(['\n', '\r']) {
        at += line.len();
        if line.trim_end_matches(['\n', '\r']) == "\\." {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Strings;
    use crate::sql::lexer::Lexer;

    /// The first command of a text.
    fn first(sql: &str) -> Option<Command<'_>> {
        let mut lexer = Lexer::new(sql.as_bytes(), Strings::Standard);
        while let Some(token) = lexer.next() {
            if let Some(command) = Command::at(sql, &token, lexer.at()) {
                return Some(command);
            }
        }
        None
    }

    #[test]
    fn a_command_is_one_only_outside_of_strings_and_comments() {
        let found = |sql: &'static str| first(sql).map(|command| command.line);
        assert_eq!(found("\\restrict abc\nselect 1"), Some("\\restrict abc"));
        assert_eq!(found("select 1\r  \\gexec \rselect 2"), Some("\\gexec"));
        assert_eq!(found("-- a\n\\connect b"), Some("\\connect b"));
        for sql in [
            "select '\n\\restrict abc\n'",
            "/*\n\\restrict abc\n*/",
            "select $a$\n\\i b\n$a$",
            "select E'\n\\'\n\\i a'",
            "select \"\n\\i a\n\"",
            "select 1 \\gexec",
            "select E'\\n'",
        ] {
            assert_eq!(found(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_long_text_with_many_backslashes_is_read_as_a_short_one() {
        let many = "\\section a\n".repeat(20_000);
        let found = |sql: &str| first(sql).map(|command| command.line.to_owned());
        assert_eq!(found(&format!("select '\n{many}'")), None);
        assert_eq!(found(&format!("select '\n{many}'\n\\gexec\n")), Some("\\gexec".to_owned()));
        assert_eq!(found(&many), Some("\\section a".to_owned()));
    }

    #[test]
    fn each_command_is_named_with_what_to_do() {
        for (line, part) in [
            ("\\i other.sql", "\\i is a command of psql"),
            ("\\connect shop", "without --create"),
            ("\\.", "--inserts"),
            ("\\set x 1", "the value where its variable stands"),
            ("\\!rm", "\\!rm is a command"),
        ] {
            assert!(advice(line).contains(part), "{}", advice(line));
        }
    }

    #[test]
    fn the_rows_of_a_copy_end_behind_their_last_line() {
        let sql = "copy t from stdin;\na\\.\n'\n\\.\nselect 1";
        let end = end_of_rows(sql, 17).unwrap();
        assert_eq!(sql.get(end..), Some("select 1"));
        assert_eq!(end_of_rows("copy t from stdin;\nselect 1", 17), None);
    }
}
