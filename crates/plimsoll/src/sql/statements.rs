//! Splits a text into its statements.

use super::Strings;
use super::lexer::{Lexer, Token};

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statement<'a> {
    /// Its text, from its first token to its last.
    pub(crate) sql: &'a [u8],
    /// Where it begins in the whole text.
    pub(crate) at: usize,
    strings: Strings,
}

impl<'a> Statement<'a> {
    pub(crate) fn tokens(&self) -> Lexer<'a> {
        Lexer::new(self.sql, self.strings)
    }
}

/// Splits a text at its semicolons; empty statements are left out.
///
/// A semicolon inside parentheses (the actions of a rule) or between `BEGIN ATOMIC` and its `END` (the body of a
/// routine) ends no statement.
pub(crate) fn statements(sql: &[u8], strings: Strings) -> Statements<'_> {
    Statements { sql, lexer: Lexer::new(sql, strings), strings }
}

pub(crate) struct Statements<'a> {
    sql: &'a [u8],
    lexer: Lexer<'a>,
    strings: Strings,
}

impl<'a> Iterator for Statements<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        let mut nesting = Nesting::default();
        let mut span: Option<(usize, usize)> = None;
        while let Some(token) = self.lexer.next() {
            let (at, end) = (self.lexer.at(), self.lexer.end());
            if token != Token::Semicolon || nesting.is_inside() {
                span = Some((span.map_or(at, |(from, _)| from), end));
                nesting.take(&token);
            } else if span.is_some() {
                break;
            }
        }
        let (from, to) = span?;
        Some(Statement { sql: self.sql.get(from..to).unwrap_or_default(), at: from, strings: self.strings })
    }
}

/// Tells whether a semicolon would end the statement whose tokens it has been given so far.
#[derive(Default)]
pub(crate) struct Nesting {
    parentheses: usize,
    /// `BEGIN ATOMIC` and what inside it ends with `END` too.
    blocks: usize,
    after: After,
    head: Head,
}

/// The first words of a statement, as far as they may still create a routine: only there is `BEGIN ATOMIC` a block;
/// elsewhere it may be the name of a table.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Head {
    #[default]
    Nothing,
    Create,
    CreateOr,
    Routine,
    Other,
}

impl Head {
    fn after(self, token: &Token<'_>) -> Head {
        match self {
            Head::Nothing if token.is("create") => Head::Create,
            Head::Create if token.is("or") => Head::CreateOr,
            Head::CreateOr if token.is("replace") => Head::Create,
            Head::Create if token.is("function") || token.is("procedure") => Head::Routine,
            Head::Routine => Head::Routine,
            _ => Head::Other,
        }
    }
}

/// What the last token means for the next one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum After {
    #[default]
    Other,
    /// `BEGIN`: with `ATOMIC` it begins a block.
    Begin,
    /// `AS` or a dot: the next word is a name, even if it is `END` or `CASE`.
    Naming,
}

impl Nesting {
    /// Whether a semicolon here belongs to the statement.
    pub(crate) fn is_inside(&self) -> bool {
        self.parentheses > 0 || self.blocks > 0
    }

    /// Goes past the next token of the statement.
    pub(crate) fn take(&mut self, token: &Token<'_>) {
        let after = std::mem::take(&mut self.after);
        self.head = self.head.after(token);
        match token {
            Token::Open => self.parentheses += 1,
            Token::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Dot => self.after = After::Naming,
            Token::Word(_)
                if self.head == Head::Routine && self.parentheses == 0 && after != After::Naming =>
            {
                if token.is("as") {
                    self.after = After::Naming;
                } else if token.is("begin") {
                    self.after = After::Begin;
                } else if (after == After::Begin && token.is("atomic"))
                    || (self.blocks > 0 && token.is("case"))
                {
                    self.blocks += 1;
                } else if token.is("end") {
                    self.blocks = self.blocks.saturating_sub(1);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql.as_bytes(), Strings::Standard)
            .map(|statement| std::str::from_utf8(statement.sql).unwrap())
            .collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_where_the_server_says_so() {
        assert_eq!(texts(";; select 1 ; /* ; */ select ';' -- ;\n ;"), ["select 1", "select ';'"]);
        assert_eq!(texts("-- one\rselect 1; -- two\r"), ["select 1"]);
        assert_eq!(texts("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
        assert_eq!(texts("do $x$ begin; end; $x$; select 2").len(), 2);
        let atomic = "create function f(a int) returns int begin atomic select case a when 1 then 2 end as end; \
                      select t.case from t; select (case a when 1 then 3 end); end";
        assert_eq!(texts(&format!("{atomic}; select 4")), [atomic, "select 4"]);
        assert_eq!(texts("create function begin() returns int as 'select 1'; commit").len(), 2);
        assert_eq!(texts("begin; commit").len(), 2);
        assert_eq!(texts("select * from begin atomic; commit").len(), 2);
        assert!(texts(" -- nothing\n;").is_empty());
    }

    #[test]
    fn a_statement_knows_where_it_begins_and_what_it_is_made_of() {
        let found: Vec<_> = statements(b"select 1; /* */ end work", Strings::Standard).collect();
        assert_eq!((found[0].at, found[1].at), (0, 16));
        assert!(found[1].tokens().next().is_some_and(|token| token.is("end")));
    }
}
