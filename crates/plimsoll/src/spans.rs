//! The spans that this library leaves for `tracing`, and what they say.
//!
//! A call leaves a span of level DEBUG at the target [`TARGET`], `plimsoll::db`. While no subscriber wants it, a call pays for
//! a look at one atomic, so a log that is filtered at `info` neither shows these spans nor pays for them. They are turned on
//! alone by the filter `info,plimsoll::db=debug`, or by a layer of its own such as `plimsoll_http::otlp`. A span writes no
//! line by itself; lines that are logged inside it carry its fields where it is wanted.
//!
//! | span | from | to |
//! |---|---|---|
//! | `statement` | the call, so that the wait for a connection is part of it; in a transaction and on a lease, where the statement begins | its answer; the last row of a stream |
//! | `transaction` | the call, so that the wait for a connection is part of it | the answer to COMMIT or ROLLBACK |
//! | `acquire` | the call for a lease | the lease |
//!
//! A statement of a transaction is a child of the transaction's span, on whichever task it runs. Every other span is a child
//! of the span that its caller is in. A try of work that is tried again is a span of its own beside the tries before it.
//! A call that is dropped ends its span.
//!
//! The attributes are those of OpenTelemetry's semantic conventions for PostgreSQL in version [`CONVENTIONS`], and our own:
//!
//! | attribute | |
//! |---|---|
//! | `otel.name` | the given name of the work; without one, and for the statements of a transaction or a lease, the operation and the database |
//! | `otel.kind` | `client`; of `acquire` `internal` |
//! | `otel.status_code`, `otel.status_description` | `ERROR` and the likely cause, where it failed |
//! | `db.system.name` | `postgresql` |
//! | `db.namespace` | the database that the settings name, without a schema |
//! | `db.operation.name` | the first word of the text, where that is a command; `TRANSACTION` |
//! | `db.query.summary` | the given name, if it was given for this statement or transaction |
//! | `db.query.text` | the text without any constant, as in the slow log, at most 2,000 bytes. It is told when the statement ends. A statement that the caller has prepared has none |
//! | `db.response.returned_rows` | the rows that a query gave |
//! | `db.response.status_code` | the server's SQLSTATE, where it failed with one |
//! | `error.type` | the SQLSTATE, else the code of the fault |
//! | `server.address`, `server.port` | the server, as the settings name it; of a Unix socket the path of its file |
//! | `code.file.path`, `code.line.number` | where the work was asked for |
//! | `plimsoll.work` | the given name of the work that it belongs to |
//! | `plimsoll.wait_ms` | the wait for a connection, in vain or not, in milliseconds |
//! | `plimsoll.affected_rows` | the rows that `execute` or a COPY changed |
//! | `plimsoll.code` | the code of the fault, `PL-..`: see [`Fault`](crate::Fault) |
//! | `plimsoll.outcome` | `answered`, `committed`, `rolled_back`, `lent`, `none_idle` (of `try_acquire`), `not_started`, `unknown`, or `dropped` by its caller |
//! | `plimsoll.retries` | how often the work was tried before, if it was |
//!
//! `db.collection.name` is never given: the conventions want no table that is guessed from a text. They want no operation
//! from it either, since a text may do several things; here it is given only for a text of one statement whose first word
//! says it, and not for one that begins with `WITH`. No parameter, no constant and no text of an error is in a span; the
//! names of work are in it as they were given.

/// The target of all spans of this library.
pub const TARGET: &str = "plimsoll::db";

/// The version of OpenTelemetry's semantic conventions that the attributes follow.
pub const CONVENTIONS: &str = "1.44.0";
