//! Questions to a PostgreSQL server about how it is.
//!
//! Each question is one file: its SQL, which lies beside it in `sql/`, how the server's answer is read, and what the answer
//! means. The SQL knows the differences between the versions of PostgreSQL (14 and later), so that a program that asks does
//! not have to. This crate knows nothing of pools and opens no connection: a program that
//! has one asks, and hands the answer over.
//!
//! ```no_run
//! use plimsoll_inspect::blocking::{BLOCKING, Blocking};
//!
//! # async fn example(client: &tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let answer = client.simple_query(BLOCKING).await?;
//! for pile in Blocking::read(&answer)?.piles() {
//!     println!("{pile}");
//! }
//! # Ok(()) }
//! ```
//!
//! | file | question |
//! |---|---|
//! | `autovacuum` (feature `checks`) | which tables autovacuum takes, by its own formula |
//! | `bloat` (feature `checks`) | how much of a table or an index is waste: estimated, or counted by pgstattuple |
//! | [`blocking`] | who waits for a lock, and who holds it |
//! | `checks/` (feature `checks`) | what is wrong with the server, and what puts it right |
//! | `indexes` (feature `checks`) | which indexes there are, and which do nothing or nothing that another does not |
//! | `profiles/` (feature `checks`) | what a server, a database and its roles ought to be told |
//! | [`integrity`] | whether the rows keep what the tables promise |
//! | `layers/` (feature `checks`) | which time limit lies inside which, from the client to the lock |
//! | `numbers` (feature `checks`) | how full the server is, and how much it does |
//! | `sessions/` (feature `checks`) | what each session does, which are meant, and how one is stopped |
//! | `room` (feature `checks`) | how many connections a program may still open |
//! | `sizes` (feature `checks`) | how large the largest tables are |
//! | `span` (feature `checks`) | no question: spans of time as people write them |
//! | [`statements`] | which statements take the server's time |
//! | `upkeep/` (feature `checks`) | what holds vacuum back, how far vacuums have come, which options a table had better have |
//!
//! What all questions keep to:
//!
//! - **One text, no parameters.** A question is sent by the simple query protocol, so it runs through every pooler and
//!   leaves no prepared statement behind.
//! - **They read and never write**, take no lock that a statement of an application waits for, and are bounded: by a `LIMIT`
//!   in the SQL and by a `statement_timeout` of their own.
//! - **They say what they could not see.** A role without `pg_read_all_stats` sees less; the answer tells what is missing,
//!   since a view that is half empty must not read as good news.
//! - **They bear a mark**, a comment at their end, so that [`statements`] can tell them from an application's.
//! - **Names are qualified** (`pg_catalog.`), so that no `search_path` changes what is asked.

mod answer;
#[cfg(feature = "checks")]
pub mod autovacuum;
#[cfg(feature = "checks")]
pub mod bloat;
pub mod blocking;
#[cfg(feature = "checks")]
pub mod checks;
#[cfg(feature = "checks")]
pub mod indexes;
pub mod integrity;
#[cfg(feature = "checks")]
pub mod layers;
mod mark;
#[cfg(feature = "checks")]
pub mod numbers;
#[cfg(feature = "checks")]
pub mod profiles;
#[cfg(feature = "checks")]
pub mod room;
#[cfg(feature = "checks")]
pub mod sessions;
#[cfg(feature = "checks")]
pub mod sizes;
#[cfg(feature = "checks")]
pub mod span;
pub mod statements;
#[cfg(feature = "checks")]
pub mod upkeep;

pub use answer::Unreadable;
