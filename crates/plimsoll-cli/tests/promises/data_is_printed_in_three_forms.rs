//! Each command that prints data prints it as a table, as plain lines and as JSON, and takes the server as an argument.

use crate::command::plimsoll_of;
use crate::server_sessions::{begin, session};
use plimsoll_embedded::Cluster;
use serde_json::Value;

const SHOP: &str = "
    CREATE TABLE customers (id bigint PRIMARY KEY);
    CREATE TABLE \"Order Lines\" (id bigint PRIMARY KEY, customer_id bigint NOT NULL);
    CREATE INDEX idle ON \"Order Lines\" (customer_id);
    INSERT INTO \"Order Lines\" SELECT g, g FROM generate_series(1, 2000) AS g;
    ANALYZE;
";

/// What is said of a command's lines: how many fields one has at least, and a text that is in one.
type Says = (&'static [&'static str], usize, &'static str);

const COMMANDS: [Says; 12] = [
    (&["doctor", "--only", "G01,G02"], 5, "G01\t"),
    (&["indexes", "--table", "\"Order Lines\""], 8, "public.idle\tpublic.\"Order Lines\"\t"),
    (&["integrity"], 4, "promises\tunique\tpublic.\"Order Lines\"\t"),
    (&["long", "--older-than", "1ms"], 11, "\tholder\tidle in transaction\t"),
    (&["blocking"], 8, "\tholder\tidle in transaction\t"),
    (&["bloat", "--table", "public.\"Order Lines\""], 10, "table\tpublic.\"Order Lines\"\tok\t"),
    (&["vacuum"], 4, "holders\ttransaction\t"),
    (&["cancel", "--application", "holder"], 9, "\tholder\tidle in transaction\t"),
    (&["sizes"], 9, "public.\"Order Lines\"\t"),
    (&["timeouts"], 4, "limits\t"),
    (&["top"], 3, "blocking\t1\t"),
    (&["apply", "--profile", "service", "--role", "postgres"], 6, "change\t"),
];

#[tokio::test]
async fn as_a_table_as_lines_and_as_json() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    let holder = session(&url, "holder").await;
    holder.batch_execute(SHOP).await.unwrap();
    holder.batch_execute("BEGIN; UPDATE \"Order Lines\" SET customer_id = 0 WHERE id = 1").await.unwrap();
    let waiter = begin(&url, "waiter", "UPDATE \"Order Lines\" SET customer_id = 1 WHERE id = 1").await;
    for (words, fields, part) in COMMANDS {
        let of = async |form: &[&str]| plimsoll_of(&[words, &[url.as_str()], form].concat()).await;
        let once: &[&str] = if words == ["top"] { &["--once"] } else { &[] };
        let (table, plain, json) = (of(once).await, of(&["--format", "plain"]).await, of(&["--json"]).await);
        assert_eq!(
            (plain.status, json.status),
            (table.status, table.status),
            "{words:?} {table:?} {plain:?}"
        );
        assert!(table.status <= 3 && table.error.is_empty(), "{words:?} {table:?}");
        assert!(plain.out.contains(part), "{words:?}: {part:?} is not in {}", plain.out);
        for line in plain.out.lines() {
            assert!(line.split('\t').count() >= fields && !line.contains('\u{1b}'), "{words:?}: {line:?}");
        }
        let value: Value = serde_json::from_str(&json.out).unwrap();
        assert!(value.is_object() || words[0] == "apply", "{words:?}: {value}");
        assert_ne!(table.out, plain.out, "{words:?}");
    }
    holder.batch_execute("COMMIT").await.unwrap();
    waiter.await.unwrap().unwrap();
}

/// The server is named once: by the argument or by an option.
#[tokio::test]
async fn and_the_server_is_an_argument_or_an_option() {
    let cluster = Cluster::start().await.unwrap();
    let url = cluster.url("postgres");
    for words in [
        vec!["sizes", &url],
        vec!["sizes", "-d", &url],
        vec!["sizes", "--database", &url],
        vec!["sizes", "--url", &url],
    ] {
        assert_eq!(plimsoll_of(&words).await.status, 0, "{words:?}");
    }
    // Process ids are numbers, so that both can be given.
    let running = begin(&url, "report", "SELECT pg_sleep(600)").await;
    let listed =
        plimsoll_of(&["long", &url, "--application", "report", "--older-than", "1ms", "--json"]).await;
    let found: Value = serde_json::from_str(&listed.out).unwrap();
    let pid = found["sessions"][0]["pid"].to_string();
    let done = plimsoll_of(&["cancel", &pid, &url, "--yes", "--json"]).await;
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&found["only_shown"], &found["sessions"][0]["result"]), (&false.into(), &"stopped".into()));
    assert!(running.await.unwrap().is_err());
    for twice in [vec!["sizes", &url, "-d", &url], vec!["long", &url, "-d", &url], vec!["long", &url, &url]] {
        let run = plimsoll_of(&twice).await;
        let told = run.error.contains("cannot be used with") || run.error.contains("one server at a time");
        assert_eq!((run.status, told), (3, true), "{run:?}");
    }
}
