//! Where the access log goes to may hang, be full, be closed or be renamed: no request waits for it or fails. What it did not
//! take is counted, and told in the log once it takes lines again; what it takes is whole and in order.

use crate::client::get;
use crate::service::{PATIENCE, Service, until};
use axum::Router;
use axum::routing;
use plimsoll_http::{AccessWriter, Options, layers};
use serde_json::Value;
use std::fs;
use std::io::{self, PipeReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// More than a pipe holds, and than the writer may hold in these tests.
const MANY: u64 = 1_500;
const HOLDS: usize = 64 << 10;

/// A service whose requests are logged here.
async fn service(log: &AccessWriter) -> (Service, SocketAddr) {
    let service = Service::start(Options::default(), |_| Router::new()).await;
    let router = Router::new()
        .route("/quiet", routing::get(async || "nothing asked"))
        .layer(layers(&service.db, Options::default().access_log(log.clone())));
    let at = crate::service::serve(router).await;
    (service, at)
}

/// Asks so often, on one connection after the other.
async fn ask(at: SocketAddr, ids: impl Iterator<Item = u64>) {
    for id in ids {
        let answer = get(at, "/quiet", &[("X-Request-ID", &id.to_string())]).await;
        assert_eq!(answer.status, 200, "request {id}");
    }
}

fn parsed(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

/// The ids of the requests, in the order of the log.
fn ids(lines: &[Value]) -> Vec<u64> {
    let ids = lines.iter().filter_map(|line| line.get("request"));
    ids.map(|id| id.as_str().unwrap().parse().unwrap()).collect()
}

fn read(path: &Path) -> Vec<Value> {
    parsed(&fs::read_to_string(path).unwrap())
}

/// Reads a pipe on a thread of its own, which ends with the pipe.
fn reading(mut pipe: PipeReader) -> Arc<Mutex<String>> {
    let text = Arc::<Mutex<String>>::default();
    let read = Arc::clone(&text);
    std::thread::spawn(move || {
        let mut piece = [0; 4_096];
        while let Some(read_now) = pipe.read(&mut piece).ok().filter(|read| *read > 0) {
            read.lock().unwrap().push_str(std::str::from_utf8(&piece[..read_now]).unwrap());
        }
    });
    text
}

#[tokio::test]
async fn a_reader_that_hangs() {
    let (reader, writer) = io::pipe().unwrap();
    let log = AccessWriter::json(writer).unwrap().holding(HOLDS);
    let (_service, at) = service(&log).await;
    ask(at, 0..MANY).await;
    let counts = log.counts();
    assert!(counts.dropped > 0 && counts.held > 0, "{counts:?}");
    assert_eq!(counts.dropped + counts.held + counts.written, MANY, "{counts:?}");
    assert!(!log.flush_within(Duration::from_millis(50)), "the pipe is full");

    let text = reading(reader);
    until("what was held is read", async || log.counts().held == 0).await;
    ask(at, MANY..=MANY).await;
    until("the next is written", async || log.flush_within(Duration::from_millis(10))).await;
    let after = log.counts();
    assert_eq!((after.dropped, after.held, after.written), (counts.dropped, 0, MANY + 1 - counts.dropped));
    until("the last line is read", async || {
        text.lock().unwrap().contains(&format!("\"request\":\"{MANY}\"}}\n"))
    })
    .await;
    let lines = parsed(&text.lock().unwrap());
    let told: Vec<_> = lines.iter().filter(|line| line.get("dropped").is_some()).collect();
    // One line, or two: the buffer may have been full for a moment before the pipe was.
    let dropped = told.iter().map(|line| line["dropped"].as_u64().unwrap()).sum::<u64>();
    assert_eq!(dropped, counts.dropped, "the log tells how many are missing: {told:?}");
    for line in &told {
        assert!(line["since"].as_str().unwrap() < line["timestamp"].as_str().unwrap(), "{told:?}");
    }
    let ids = ids(&lines);
    assert_eq!(ids.len() as u64, after.written);
    assert!(ids.is_sorted() && ids.first() == Some(&0) && ids.last() == Some(&MANY), "{ids:?}");
}

#[tokio::test]
async fn a_pipe_that_is_closed() {
    let (reader, writer) = io::pipe().unwrap();
    let log = AccessWriter::json(writer).unwrap().holding(HOLDS);
    let (_service, at) = service(&log).await;
    ask(at, 0..3).await;
    until("the first are written", async || log.flush_within(Duration::from_millis(10))).await;
    drop(reader);
    ask(at, 3..MANY).await;
    let counts = log.counts();
    assert_eq!((counts.written, counts.dropped + counts.held), (3, MANY - 3), "{counts:?}");
    assert!(counts.dropped > 0, "memory is bounded: {counts:?}");
    assert!(!log.flush_within(Duration::from_millis(50)));
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let log = AccessWriter::to_file("/dev/full").unwrap().holding(HOLDS);
    let (_service, at) = service(&log).await;
    ask(at, 0..MANY).await;
    let counts = log.counts();
    assert_eq!((counts.written, counts.dropped + counts.held), (0, MANY), "{counts:?}");
    assert!(counts.dropped > 0, "memory is bounded: {counts:?}");
}

#[tokio::test]
async fn a_file_that_is_renamed_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.json");
    let log = AccessWriter::to_file(&path).unwrap();
    let (_service, at) = service(&log).await;
    let mut renamed = Vec::new();
    for number in 0..5 {
        ask(at, number * 20..number * 20 + 10).await;
        // While lines are gathered.
        renamed.push(folder.path().join(format!("access.json.{number}")));
        fs::rename(&path, &renamed[renamed.len() - 1]).unwrap();
        ask(at, number * 20 + 10..(number + 1) * 20).await;
        assert!(log.flush_within(PATIENCE) && path.exists(), "round {number}");
    }
    let files = renamed.iter().chain([&path]);
    let all: Vec<u64> = files.flat_map(|file| ids(&read(file))).collect();
    assert!(all.iter().copied().eq(0..100), "{all:?}");

    fs::remove_file(&path).unwrap();
    ask(at, 100..110).await;
    assert!(log.flush_within(PATIENCE));
    assert!(ids(&read(&path)).into_iter().eq(100..110));
    assert_eq!((log.counts().written, log.counts().dropped), (110, 0));
}

#[tokio::test]
async fn a_folder_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inner/access.json");
    let said = AccessWriter::to_file(&path).unwrap_err().to_string();
    assert!(said.contains("inner/access.json could not be opened"), "{said}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    let log = AccessWriter::to_file(&path).unwrap();
    let mut kept = fs::File::open(&path).unwrap();
    fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let (_service, at) = service(&log).await;
    ask(at, 0..5).await;
    assert!(log.flush_within(PATIENCE));
    let mut text = String::new();
    kept.read_to_string(&mut text).unwrap();
    assert!(ids(&parsed(&text)).into_iter().eq(0..5), "its lines go on to the file that it had: {text}");
    fs::create_dir(path.parent().unwrap()).unwrap();
    ask(at, 5..10).await;
    assert!(log.flush_within(PATIENCE));
    assert!(ids(&read(&path)).into_iter().eq(5..10), "and to a new one as soon as there can be one");
}
