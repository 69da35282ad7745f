use super::*;
use crate::error::Outcome;
use crate::fault::Fault;
use std::time::SystemTime;

fn monitor() -> Monitor {
    Monitor::new(true, 1_000, Duration::from_secs(1))
}

fn end(monitor: &Monitor, text: &str, took: Duration, end: End) {
    let strings = Some(Strings::Standard);
    let number = monitor.number(Some(text), strings);
    monitor.ended(&Ended { number, text: Some(text), strings, took, at: SystemTime::now(), end });
}

#[test]
fn statements_are_counted_by_how_they_ended() {
    let monitor = monitor();
    end(&monitor, "select 1", Duration::from_millis(2), End::Answered { rows: 3 });
    end(&monitor, "SELECT 2", Duration::from_millis(1_001), End::Dropped);
    for fault in [Fault::StatementTimeout, Fault::Data] {
        end(&monitor, "select $1", Duration::ZERO, End::Failed { fault, outcome: Outcome::RolledBack });
    }
    let statements = monitor.statements.lock();
    assert_eq!(
        (
            statements.counts.executed,
            statements.counts.failed,
            statements.counts.timeouts,
            statements.counts.slow
        ),
        (4, 3, 1, 1)
    );
    let kinds = statements.table.slowest(10, |_| true);
    assert_eq!(kinds.len(), 1, "one kind: {kinds:?}");
    assert_eq!((&*kinds[0].1.text, kinds[0].1.rows, kinds[0].1.errors), ("select ?", 3, 3));
}

#[test]
fn of_a_long_text_only_the_beginning_counts() {
    let monitor = monitor();
    let long = |end: &str| format!("select '{}'{end}", "x".repeat(fingerprint::READ));
    for text in [long(""), long(""), long(" , 1")] {
        end(&monitor, &text, Duration::ZERO, End::Answered { rows: 1 });
    }
    let kinds = monitor.statements.lock().table.slowest(10, |_| true);
    assert_eq!((kinds.len(), kinds[0].1.executions), (1, 3));
}

#[test]
fn texts_of_one_length_are_told_apart() {
    let monitor = monitor();
    for text in ["select a", "select b", "select a"] {
        end(&monitor, text, Duration::ZERO, End::Answered { rows: 1 });
    }
    let kinds = monitor.statements.lock().table.slowest(10, |_| true);
    let executions: Vec<_> = kinds.iter().map(|(_, kind)| (&*kind.text, kind.executions)).collect();
    assert!(executions.contains(&("select a", 2)) && executions.contains(&("select b", 1)), "{executions:?}");
}

#[test]
fn many_threads_lose_no_record() {
    let monitor = monitor();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let monitor = &monitor;
            scope.spawn(move || {
                for number in 0..1_000_u64 {
                    monitor.add_acquisition(Duration::from_micros(number), thread % 2 == 0);
                    let text = format!("select {number} from t{}", number % 7);
                    end(monitor, &text, Duration::from_micros(number), End::Answered { rows: 1 });
                }
            });
        }
    });
    let (pool, statements) = (monitor.pool.lock(), monitor.statements.lock());
    assert_eq!((pool.acquisitions, pool.failures, statements.counts.executed), (8_000, 4_000, 8_000));
    let kinds = statements.table.slowest(10, |_| true);
    assert_eq!((kinds.len(), kinds.iter().map(|(_, kind)| kind.executions).sum::<u64>()), (7, 8_000));
    assert_eq!((monitor.wait.snapshot().count, monitor.server.snapshot().count), (8_000, 8_000));
}
