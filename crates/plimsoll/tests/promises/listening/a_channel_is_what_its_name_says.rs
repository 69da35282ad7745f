//! The name of a channel is taken as it is: quoted, never folded, never cut off. A name that the server would change, or
//! cannot have, is refused with the reason.

use super::{begin, notification};
use crate::server::{self, bare};
use plimsoll::{Database, Fault};
use plimsoll_embedded::{Cluster, test_server};

#[tokio::test]
async fn whatever_is_in_it() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let longest = "x".repeat(63);
    let names =
        ["Orders", "orders", "a b", "\"; DROP TABLE t; --", "it's", "Aufträge", "select", longest.as_str()];
    let mut listener = db.listen(names).await.unwrap();
    begin(&mut listener).await;
    assert_eq!(listener.channels().len(), names.len());
    let writer = bare(&fresh.url()).await;
    for name in names {
        writer.execute("SELECT pg_notify($1, $2)", &[&name, &name]).await.unwrap();
        let heard = notification(&mut listener).await;
        assert_eq!((heard.channel.as_str(), heard.payload.as_str()), (name, name));
        assert!(heard.pid > 0);
    }
    // Unquoted, the sender's name is folded.
    writer.batch_execute("NOTIFY Orders").await.unwrap();
    let heard = notification(&mut listener).await;
    assert_eq!((heard.channel.as_str(), heard.payload.as_str()), ("orders", ""));
}

#[tokio::test]
async fn and_what_cannot_be_one_is_refused() {
    let fresh = test_server::database().await.unwrap();
    let db = server::database(&fresh).await;
    let listener = db.listen(["news"]).await.unwrap();
    let (longer, umlauts) = ("x".repeat(64), "ü".repeat(32));
    for (name, why) in
        [("", "empty"), ("a\0b", "zero byte"), (&*longer, "64 bytes"), (&*umlauts, "PostgreSQL keeps 63")]
    {
        for refused in [db.listen(["fine", name]).await.map(drop), listener.add(name).await] {
            let error = refused.unwrap_err();
            assert_eq!(error.fault(), Fault::Usage, "{error}");
            assert!(error.sentence().contains(why), "{error}");
        }
    }
    assert_eq!(listener.channels(), ["news"]);
}

/// A name can be one that this server's encoding does not have. The channels beside it go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_what_this_server_cannot_have_is_refused_by_it() {
    let cluster = Cluster::start().await.unwrap();
    let latin = "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
    cluster.execute("postgres", latin).await.unwrap();
    let db = Database::connect(server::settings(&cluster.url("latin"))).await.unwrap();
    let mut listener = db.listen(["news"]).await.unwrap();
    begin(&mut listener).await;
    let pid = listener.backend_pid();
    let error = listener.add("新聞").await.unwrap_err();
    assert_eq!(error.fault(), Fault::Data, "{error}");
    assert!(error.sentence().starts_with("LISTEN failed"), "{error}");
    assert_eq!(listener.channels(), ["news"]);
    listener.add("Aufträge").await.unwrap();
    let writer = bare(&cluster.url("latin")).await;
    writer.batch_execute("NOTIFY news, '1'; NOTIFY \"Aufträge\", '2'").await.unwrap();
    assert_eq!(notification(&mut listener).await.payload, "1");
    assert_eq!(notification(&mut listener).await.payload, "2");
    assert_eq!(listener.backend_pid(), pid, "the connection was kept");
}
