//! What a caller asks for (text or a prepared statement), and the check that it may run on this connection.
//!
//! Behind a transaction pooler a session serves a different client after each transaction. A statement that would leave
//! something in the session is refused there. A LISTEN is refused everywhere, because on a lent connection no caller
//! would hear what comes. The check is a type: everything that runs a caller's statement takes a
//! [`CheckedQuery`] or a [`CheckedText`], so a new method cannot forget it.

use crate::call::postgres::Connection;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::sql::copying::{CopyEnd, copy_end};
use crate::sql::listens;
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::sql::residue;
use crate::sql::residue::Residue;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

/// The protocol counts the parameters of a statement in two bytes.
const MOST_PARAMETERS: usize = 65_535;

/// The parameters of a statement, as the driver takes them.
pub type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// What a statement method takes: SQL text, or a statement that was prepared on the same connection.
pub trait AsQuery: Sync {
    /// The text or the statement.
    #[doc(hidden)]
    fn as_query(&self) -> Query<'_>;
}

/// SQL text, or a prepared statement.
#[derive(Clone, Copy)]
#[doc(hidden)]
pub enum Query<'a> {
    /// Text: prepared, cached and named as fits the connection.
    Text(&'a str),
    /// Prepared by the caller.
    Prepared(&'a Statement),
}

impl<'a> Query<'a> {
    /// The SQL text, unless the caller gave a prepared statement.
    #[inline]
    pub(crate) fn text(self) -> Option<&'a str> {
        match self {
            Query::Text(sql) => Some(sql),
            Query::Prepared(_) => None,
        }
    }
}

impl AsQuery for str {
    fn as_query(&self) -> Query<'_> {
        Query::Text(self)
    }
}

impl AsQuery for String {
    fn as_query(&self) -> Query<'_> {
        Query::Text(self)
    }
}

impl AsQuery for &str {
    fn as_query(&self) -> Query<'_> {
        Query::Text(self)
    }
}

impl AsQuery for Statement {
    fn as_query(&self) -> Query<'_> {
        Query::Prepared(self)
    }
}

/// A query that was checked for its connection.
#[derive(Clone, Copy)]
pub(crate) enum CheckedQuery<'q> {
    Text(CheckedText<'q>),
    /// Behind a transaction pooler the caller cannot have prepared one.
    Prepared(&'q Statement),
}

impl<'q> CheckedQuery<'q> {
    /// Checks a query for a connection.
    ///
    /// # Errors
    /// As [`CheckedText::on`], and [`Fault::Usage`] for more parameters than a statement can have.
    #[inline]
    pub(crate) fn on(connection: &Connection, query: Query<'q>, params: Params<'_>) -> Result<Self> {
        if params.len() > MOST_PARAMETERS {
            return Err(refuse_parameters(params.len()));
        }
        match query {
            Query::Text(sql) => CheckedText::single(connection, sql).map(CheckedQuery::Text),
            // Its text was checked when it was prepared.
            Query::Prepared(statement) => Ok(CheckedQuery::Prepared(statement)),
        }
    }

    /// The SQL text, unless the caller gave a prepared statement.
    #[inline]
    pub(crate) fn text(self) -> Option<&'q str> {
        match self {
            CheckedQuery::Text(sql) => Some(sql.get()),
            CheckedQuery::Prepared(_) => None,
        }
    }
}

/// SQL text that was checked for its connection.
#[derive(Clone, Copy)]
pub(crate) struct CheckedText<'q>(&'q str);

impl<'q> CheckedText<'q> {
    /// Checks SQL text, of any number of statements, for a connection.
    ///
    /// # Errors
    /// [`Fault::Usage`] for a zero byte, for a LISTEN, and for text that would leave something in a session behind a
    /// transaction pooler.
    #[inline]
    pub(crate) fn on(connection: &Connection, sql: &'q str) -> Result<Self> {
        can_be_sent(sql)?;
        if connection.is_pooled_by_transaction() {
            refuse_session_state(connection, sql)?;
        } else if listens::has_listen(sql.as_bytes(), connection.link.state.strings()) {
            return Err(refuse_listen());
        }
        Ok(CheckedText(sql))
    }

    /// The same for the text of a single statement: the extended protocol, by which it is sent, takes no more than one.
    ///
    /// # Errors
    /// As [`CheckedText::on`].
    #[inline]
    pub(crate) fn single(connection: &Connection, sql: &'q str) -> Result<Self> {
        can_be_sent(sql)?;
        if connection.is_pooled_by_transaction() {
            refuse_session_state(connection, sql)?;
        } else if listens::is_listen(sql.as_bytes()) {
            return Err(refuse_listen());
        }
        Ok(CheckedText(sql))
    }

    /// The same for a COPY whose rows go this way.
    ///
    /// # Errors
    /// As [`CheckedText::on`], and [`Fault::Usage`] for whatever is no such COPY: the driver would run it all the same, and
    /// then not understand the answer.
    pub(crate) fn copy(connection: &Connection, sql: &'q str, wanted: CopyEnd) -> Result<Self> {
        let found = copy_end(sql.as_bytes());
        if found == Some(wanted) { CheckedText::on(connection, sql) } else { Err(refuse_copy(wanted, found)) }
    }

    /// Text whose caller has read it and answers for what it leaves in the session: that of a migration.
    pub(crate) fn inspected(sql: &'q str) -> Self {
        CheckedText(sql)
    }

    #[inline]
    pub(crate) fn get(self) -> &'q str {
        self.0
    }
}

/// The error of a misuse: nothing was sent.
pub(crate) fn usage(sentence: &str) -> Error {
    Error::new(Fault::Usage, Phase::Statement, Outcome::NotStarted, sentence)
}

/// A text ends at its first zero byte on the wire, so the driver sends none that has one.
#[inline]
fn can_be_sent(sql: &str) -> Result<()> {
    match sql.as_bytes().contains(&0) {
        true => Err(refuse_zero_byte(sql)),
        false => Ok(()),
    }
}

#[cold]
fn refuse_zero_byte(sql: &str) -> Error {
    let at = sql.bytes().position(|byte| byte == 0).unwrap_or_default();
    usage(&format!(
        "the SQL text has a zero byte at its byte {at} of {}, where the protocol ends a text, so nothing was sent; give \
         values as parameters (bytea takes any byte, text none that is zero)",
        sql.len()
    ))
}

#[cold]
fn refuse_parameters(count: usize) -> Error {
    usage(&format!(
        "{count} parameters were given and a statement takes at most {MOST_PARAMETERS}, so nothing was sent; give arrays \
         and take them apart with unnest($1, $2), or use copy_in"
    ))
}

#[cold]
fn refuse_copy(wanted: CopyEnd, found: Option<CopyEnd>) -> Error {
    let method = if wanted == CopyEnd::ToClient { "copy_out" } else { "copy_in" };
    let what = match found {
        None => "a statement that is no COPY: use query, execute or batch_execute",
        Some(CopyEnd::FromClient) => "a COPY .. FROM STDIN: use copy_in",
        Some(CopyEnd::ToClient) => "a COPY .. TO STDOUT: use copy_out",
        Some(CopyEnd::OfServer) => "a COPY with a file or a program of the server: use execute",
    };
    usage(&format!("{method} was given {what}; nothing was sent"))
}

/// What comes on a lent connection is heard by no caller, and the connection is another caller's soon.
#[cold]
fn refuse_listen() -> Error {
    usage(
        "a lent connection hears no notification, and what it listens to ends with the lease, so LISTEN is refused; use \
         Database::listen, which has a connection of its own",
    )
}

/// Behind a transaction pooler the next client gets the session: refuses what would be left in it.
fn refuse_session_state(connection: &Connection, sql: &str) -> Result<()> {
    let state = &connection.link.state;
    let left = residue::of_sql(sql.as_bytes(), state.strings());
    if left.is_none() {
        if state.status().is_idle() && nature::of_sql(sql.as_bytes(), state.strings()).contains(Nature::OPENS)
        {
            return Err(usage(
                "behind a transaction pooler a transaction that is begun by hand would end with this very statement; \
                 open it with begin() or transaction(), which give it its limits too",
            ));
        }
        return Ok(());
    }
    if left.contains(Residue::ANYTHING) {
        return Err(usage(
            "behind a transaction pooler DO and CALL are refused, since nothing tells what they leave in the session, which \
             another client gets next; send it to the server itself, past the pooler",
        ));
    }
    let what = if left.contains(Residue::LOCK) {
        "a session-level advisory lock (pg_advisory_xact_lock holds until the end of the transaction)"
    } else if left.contains(Residue::LISTEN) {
        "LISTEN (Database::listen has a connection of its own, which leads past the pooler by listen_url)"
    } else if left.contains(Residue::TEMPORARY) {
        "a temporary object"
    } else {
        "a setting of the session, a named statement or the like (SET LOCAL holds until the end of the transaction)"
    };
    Err(usage(&format!(
        "behind a transaction pooler {what} would be left to another client, so it is refused"
    )))
}
