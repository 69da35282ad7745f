//! What is said of tables, of their indexes and of the statements that read them.

mod indexes_that_do_nothing_are_found;
mod no_lock_holds_up_the_list_of_sizes;
mod statements_are_listed_across_resets;
mod what_breaks_a_promise_is_counted_where_that_can_be;

use tokio_postgres::{Client, NoTls};

/// A session beside the command's.
#[expect(clippy::disallowed_methods, reason = "it stands for an application that is not on Plimsoll")]
async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
