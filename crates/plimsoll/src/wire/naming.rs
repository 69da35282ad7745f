//! Finds out what becomes of a prepared statement's name behind a transaction pooler.
//!
//! Some poolers do not track names (PgBouncer before 1.21, and later ones with `max_prepared_statements = 0`): a name
//! reaches whichever server connection is next, and means nothing on any other. Other poolers track names (PgBouncer's
//! default by now): what a client prepares by protocol they prepare under a name of their own on each server connection
//! where it is used, and they do not know a name that was given by SQL `PREPARE`. What is right with one kind makes the
//! other refuse the statement and end the connection.
//!
//! So every connection finds out which kind it has. A statement is prepared by protocol, and the server is asked under
//! which name it has it: only the server shows what is in force. The pooler's version and settings are visible to
//! administrators alone, and a pooler that is not PgBouncer has other ones. The question travels with the reading back of
//! the limits.
//!
//! A pooler that tracks names shares statements too: it prepares a text once on a server connection, for all clients, and
//! describes it to all of them as it was understood then. After `ALTER TABLE` a client that prepares the text for the
//! first time is told the old types. So a text that is prepared to learn its types is made unique, see [`marked`]. It is of
//! no use to other clients, so the server is told to forget it afterwards.

use super::link::Link;
use crate::pooler_said::is_name_unknown_to_pooler;
use futures_util::future;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What becomes of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A name is known to one server connection, and the next message may reach another.
    PerServer,
    /// The pooler tracks what was prepared by protocol, on all of its server connections.
    Tracked,
}

/// The connections of one pool behind a transaction pooler. When the pooler begins to treat names otherwise (its
/// configuration was read again), what one connection finds out is true of all; without this each would fail once.
#[derive(Default)]
pub(crate) struct Links(Mutex<Vec<Weak<Link>>>);

impl Links {
    pub(crate) fn add(&self, link: &Arc<Link>) {
        let mut links = self.0.lock();
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(link));
    }

    /// Makes sure that none of them is lent again.
    pub(crate) fn doom(&self) {
        let links = std::mem::take(&mut *self.0.lock());
        links.iter().filter_map(Weak::upgrade).for_each(|link| link.doom());
    }
}

/// Tells the texts of this run of the program from those of other programs and earlier runs.
static PROGRAM: LazyLock<u64> = LazyLock::new(|| fastrand::u64(..));
static MARKS: AtomicU64 = AtomicU64::new(0);

/// The text with a comment that no other text has, so that a pooler which shares prepared statements takes it for a new
/// one. The comment stands on a line of its own, since the text may end in a comment.
pub(crate) fn marked(sql: &str) -> String {
    let mark = MARKS.fetch_add(1, Ordering::Relaxed);
    format!("{sql}\n/* {:016x}-{mark} */", *PROGRAM)
}

/// Asks the server under which name it has this text.
pub(crate) fn which_name(marked: &str) -> String {
    format!(
        "SELECT name FROM pg_catalog.pg_prepared_statements WHERE statement = E'{}'",
        marked.replace('\\', "\\\\").replace('\'', "''")
    )
}

/// The name in the answer to [`which_name`], if there is one.
pub(crate) fn name_in(answer: &[SimpleQueryMessage]) -> Option<&str> {
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    })
}

/// The statement that has the server forget what the pooler prepared under this name.
pub(crate) fn forget(name: &str) -> String {
    format!("DEALLOCATE \"{}\"", name.replace('"', "\"\""))
}

/// Runs `opening`, which begins a transaction, finds out in that transaction what becomes of names, and rolls back.
/// Returns the answer to `opening` too.
pub(crate) async fn probe(
    client: &Client,
    opening: &str,
) -> Result<(Vec<SimpleQueryMessage>, Naming), tokio_postgres::Error> {
    let text = marked("SELECT 1");
    let question = which_name(&text);
    // They are polled in this order, so they are queued in this order.
    let (opened, prepared, answer) =
        future::join3(client.simple_query(opening), client.prepare(&text), client.simple_query(&question))
            .await;
    let opened = opened?;
    let given = match (&prepared, &answer) {
        (Ok(_), Ok(answer)) => name_in(answer).filter(|name| !is_drivers(name)),
        (Ok(_), Err(_)) => return answer.map(|_| (opened, Naming::PerServer)),
        // A statement of another client has the driver's name: so the pooler passes names on as they are.
        (Err(error), _) if error.as_db_error().is_some() && !client.is_closed() => None,
        (Err(_), _) => return prepared.map(|_| (opened, Naming::PerServer)),
    };
    let naming = if given.is_some() { Naming::Tracked } else { Naming::PerServer };
    // The Close is sent before the transaction ends, so it reaches the server connection that has the statement.
    drop(prepared);
    let end = given.map_or_else(String::new, |name| forget(name) + "; ") + "ROLLBACK";
    client.batch_execute(&end).await?;
    Ok((opened, naming))
}

/// Whether this error says that the pooler treats names otherwise than when the connection was opened: it does not know a
/// name that was given by SQL, or it passes the driver's own names on to the server.
pub(crate) fn has_changed(naming: Naming, said: &DbError, lookups: &[(String, String)]) -> bool {
    match naming {
        Naming::PerServer => is_name_unknown_to_pooler(said),
        Naming::Tracked => lookups.iter().any(|(name, _)| said.message().contains(&format!("\"{name}\""))),
    }
}

/// Whether the driver gave this name: `s` and a number.
fn is_drivers(name: &str) -> bool {
    name.strip_prefix('s')
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::{is_drivers, marked};

    #[test]
    fn no_two_texts_are_alike_and_a_comment_at_the_end_hides_nothing() {
        let (one, other) = (marked("SELECT 1 -- one"), marked("SELECT 1 -- one"));
        assert_ne!(one, other);
        assert!(one.starts_with("SELECT 1 -- one\n/* "), "{one}");
    }

    #[test]
    fn a_name_that_a_pooler_gave_is_not_the_drivers() {
        for (name, is_ours) in
            [("s0", true), ("s127", true), ("s", false), ("PGBOUNCER_7", false), ("s1a", false)]
        {
            assert_eq!(is_drivers(name), is_ours, "{name}");
        }
    }
}
