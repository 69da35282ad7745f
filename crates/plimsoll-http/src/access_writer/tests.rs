use super::*;
use crate::access::Ended;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(15);

fn record<'a>(request: &'a str, rows: u64) -> AccessRecord<'a> {
    AccessRecord {
        method: "GET",
        route: "/devices/{id}",
        user: None,
        status: 200,
        ended: Ended::Answered,
        code: None,
        ms: 12.345_678,
        sql_ms: 0.0,
        wait_ms: 0.01,
        statements: 0,
        rows,
        retries: 0,
        request,
    }
}

/// Keeps what is written, and takes at most so many bytes at a time, or nothing while it is told so.
#[derive(Clone, Default)]
struct Kept {
    bytes: Arc<Mutex<Vec<u8>>>,
    at_a_time: Option<usize>,
    fails: Arc<AtomicBool>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.at_a_time.unwrap_or(usize::MAX));
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.at_a_time.is_some() && fastrand::u8(..) < 16 {
            let kind = if fastrand::bool() { io::ErrorKind::WouldBlock } else { io::ErrorKind::Interrupted };
            return Err(kind.into());
        }
        self.bytes.lock().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.bytes.lock().clone();
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "the last line is whole");
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
    }
}

/// Each task's records, in the order of the log.
fn rows_of(lines: &[serde_json::Value], task: &str) -> Vec<u64> {
    let own = lines.iter().filter(|line| line["request"] == task);
    own.map(|line| line["rows"].as_u64().unwrap()).collect()
}

#[test]
fn a_line_has_the_time_and_the_record() {
    let now: Timestamp = "2026-03-01T09:05:00.25Z".parse().unwrap();
    let line = |form: Form, record| {
        let mut line = Vec::new();
        form.write(now, record, &mut line);
        String::from_utf8(line).unwrap()
    };
    let record = record("req-7", 0);
    let json = r#"{"timestamp":"2026-03-01T09:05:00.250000Z","method":"GET","route":"/devices/{id}","status":200,"ended":"answered","ms":12.346,"sql_ms":0.0,"wait_ms":0.01,"statements":0,"rows":0,"retries":0,"request":"req-7"}"#;
    assert_eq!(line(Form::Json, &record), format!("{json}\n"));
    let text = "2026-03-01T09:05:00.250000Z 200 GET    /devices/{id} 12.3 ms [req-7]\n";
    assert_eq!(line(Form::Text, &record), text);
}

#[test]
fn a_line_of_a_loss_says_how_many_and_since_when() {
    let times: [Timestamp; 2] =
        ["2026-03-01T09:05:00Z", "2026-03-01T09:06:00Z"].map(|at| at.parse().unwrap());
    let line = |form: Form| {
        let mut line = Vec::new();
        form.write_loss(times[1], 17, times[0], &mut line);
        String::from_utf8(line).unwrap()
    };
    let json: serde_json::Value = serde_json::from_str(&line(Form::Json)).unwrap();
    assert_eq!((&json["dropped"], &json["since"]), (&17.into(), &"2026-03-01T09:05:00.000000Z".into()));
    let text = line(Form::Text);
    assert!(text.starts_with("2026-03-01T09:06:00.000000Z 17 records") && text.ends_with("Z)\n"), "{text}");
}

#[test]
fn lines_are_whole_and_in_the_order_of_each_task_and_none_is_lost() {
    let kept = Kept { at_a_time: Some(1_000), ..Kept::default() };
    let log = AccessWriter::json(kept.clone()).unwrap();
    let tasks = ["one", "two", "three", "four"];
    thread::scope(|scope| {
        for task in tasks {
            let log = log.clone();
            scope.spawn(move || (0..2_000).for_each(|rows| log.log(&record(task, rows))));
        }
    });
    assert!(log.flush_within(PATIENCE));
    assert_eq!(log.counts(), AccessCounts { written: 8_000, dropped: 0, held: 0 });
    let lines = kept.lines();
    assert_eq!(lines.len(), 8_000);
    for task in tasks {
        assert!(rows_of(&lines, task).into_iter().eq(0..2_000), "{task}");
    }
}

#[test]
fn what_is_left_is_written_when_the_last_handle_is_dropped() {
    let kept = Kept::default();
    let log = AccessWriter::json(kept.clone()).unwrap();
    let other = log.clone();
    (0..10).for_each(|rows| log.log(&record("one", rows)));
    drop(log);
    other.log(&record("one", 10));
    drop(other);
    assert!(rows_of(&kept.lines(), "one").into_iter().eq(0..=10));
}

#[test]
fn a_line_is_written_without_being_asked_for() {
    let kept = Kept::default();
    let log = AccessWriter::json(kept.clone()).unwrap();
    let end = Instant::now() + PATIENCE;
    for round in 1..=3 {
        log.log(&record("one", 0));
        while kept.lines().len() < round {
            assert!(Instant::now() < end, "line {round} does not come");
            thread::yield_now();
        }
    }
}

#[test]
fn a_sink_that_fails_for_a_while_loses_nothing_that_was_held() {
    let kept = Kept::default();
    let log = AccessWriter::json(kept.clone()).unwrap().holding(10_000);
    kept.fails.store(true, Ordering::SeqCst);
    (0..1_000).for_each(|rows| log.log(&record("one", rows)));
    assert!(!log.flush_within(Duration::from_millis(30)));
    let counts = log.counts();
    assert!(counts.dropped > 0 && counts.written == 0 && counts.dropped + counts.held == 1_000, "{counts:?}");
    kept.fails.store(false, Ordering::SeqCst);
    assert!(log.flush_within(PATIENCE), "it is tried again without another record");
    assert_eq!(log.counts(), AccessCounts { written: counts.held, dropped: counts.dropped, held: 0 });
    let lines = kept.lines();
    let told = lines.iter().filter_map(|line| line["dropped"].as_u64()).sum::<u64>();
    assert_eq!((told, rows_of(&lines, "one").len() as u64), (counts.dropped, counts.held));
    assert!(rows_of(&lines, "one").is_sorted());
}

#[test]
fn the_last_drop_does_not_wait_for_a_sink_that_takes_nothing() {
    struct Hangs(std::sync::mpsc::Receiver<()>);
    impl Write for Hangs {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (hold, hangs) = std::sync::mpsc::channel();
    let log = AccessWriter::json(Hangs(hangs)).unwrap();
    log.log(&record("one", 0));
    let began = Instant::now();
    drop(log);
    let took = began.elapsed();
    assert!(took >= FAREWELL && took < FAREWELL + PATIENCE, "{took:?}");
    drop(hold);

    let fails = Kept { fails: Arc::new(true.into()), ..Kept::default() };
    let log = AccessWriter::json(fails).unwrap();
    log.log(&record("one", 0));
    let began = Instant::now();
    drop(log);
    assert!(began.elapsed() < FAREWELL, "what fails for good is not waited for");
}

#[test]
fn a_sink_that_is_busy_at_the_end_is_waited_for() {
    #[derive(Clone, Default)]
    struct Busy(Kept, u32);
    impl Write for Busy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.1 % 4 {
                0 => self.0.write(&bytes[..bytes.len().min(200)]),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let busy = Busy::default();
    let log = AccessWriter::json(busy.clone()).unwrap();
    log.log(&record("one", 0));
    drop(log);
    assert_eq!(rows_of(&busy.0.lines(), "one"), [0]);
}

#[test]
fn a_sink_that_panics_harms_nobody() {
    struct Panics;
    impl Write for Panics {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("planned")
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessWriter::json(Panics).unwrap();
    (0..10).for_each(|rows| log.log(&record("one", rows)));
    assert!(!log.flush_within(PATIENCE));
    log.log(&record("one", 10));
    assert_eq!(log.counts(), AccessCounts { written: 0, dropped: 11, held: 0 });
}

#[test]
fn a_line_that_never_fits_is_dropped_and_told() {
    let kept = Kept::default();
    let log = AccessWriter::json(kept.clone()).unwrap().holding(500);
    let long = "x".repeat(600);
    log.log(&AccessRecord { route: &long, ..record("one", 0) });
    log.log(&record("one", 1));
    assert!(log.flush_within(PATIENCE));
    let lines = kept.lines();
    assert_eq!((rows_of(&lines, "one"), lines.len()), (vec![1], 2));
    assert!(lines.iter().any(|line| line["dropped"] == 1), "{lines:?}");
}

const CHILD: &str = "access_writer::tests::a_program_that_logs_and_prints";

#[test]
fn lines_on_the_standard_output_do_not_mix_with_others() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", CHILD, "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    let lines: Vec<serde_json::Value> = said
        .lines()
        .filter(|line| line.contains('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    assert!(rows_of(&lines, "one").into_iter().eq(0..2_000), "JSON, since this is no terminal: {said}");
    let printed = said.lines().filter_map(|line| line.strip_prefix("printed "));
    assert!(printed.map(|number| number.parse::<u64>().unwrap()).eq(0..2_000), "{said}");
}

#[test]
#[ignore = "the child process of another test"]
fn a_program_that_logs_and_prints() {
    // The name of the test stands on this line.
    println!();
    let log = AccessWriter::to_stdout().unwrap();
    for number in 0..2_000 {
        log.log(&record("one", number));
        println!("printed {number}");
    }
    assert!(log.flush_within(PATIENCE));
}

proptest! {
    #[test]
    fn whatever_a_record_holds_is_one_line_that_is_read_back(
        route in hostile(), user in hostile(), method in hostile(), ms in any::<f64>(),
    ) {
        let now = now();
        let record = AccessRecord { route: &route, user: Some(&user), method: &method, ms, ..record("one", 7) };
        let mut line = Vec::new();
        Form::Json.write(now, &record, &mut line);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!((&read["route"], &read["user"], &read["method"], &read["rows"]),
            (&route.as_str().into(), &user.as_str().into(), &method.as_str().into(), &7.into()));
        let at: Timestamp = read["timestamp"].as_str().unwrap().parse().unwrap();
        prop_assert_eq!(at.as_microsecond(), now.as_microsecond());

        line.clear();
        Form::Text.write(now, &record, &mut line);
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert!(!line.iter().any(u8::is_ascii_control));
    }
}

/// Texts with what breaks lines, quotes and terminals.
fn hostile() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        '\n', '\r', '"', '\\', '\0', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{2029}', '\u{202e}',
        '\u{feff}',
    ]);
    prop::collection::vec(prop_oneof![odd, any::<char>()], 0..20).prop_map(String::from_iter)
}
