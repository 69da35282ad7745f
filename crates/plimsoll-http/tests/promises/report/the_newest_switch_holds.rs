//! The signal is listened for once, however often a program asks for that: what was given last holds, until it is dropped. A
//! writer that panics is not the end of it.

use plimsoll_http::Databases;
use plimsoll_http::report::{ReportOptions, on_sigusr1};
use rustix::process::{Signal, getpid, kill_process};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Sends what is written.
struct Sends(Sender<String>);

impl Write for Sends {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells that it was called, and panics.
struct Panics(Sender<String>);

impl Write for Panics {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        self.0.send("panics".to_owned()).unwrap();
        panic!("a writer of the program's own")
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn signal_and_wait(receiver: &Receiver<String>) -> String {
    kill_process(getpid(), Signal::USR1).unwrap();
    receiver.recv_timeout(Duration::from_secs(15)).expect("a report")
}

#[test]
fn until_it_is_dropped() {
    let (sender, first) = channel();
    let databases = Databases::new();
    let one = on_sigusr1(&databases, ReportOptions::default().writer(Sends(sender))).unwrap();
    let report = signal_and_wait(&first);
    assert!(report.contains("databases: none yet") && report.ends_with(" ----\n"), "{report}");
    assert!(report.contains("runtime: not known, the report was switched on outside of one"), "{report}");

    let (sender, second) = channel();
    let two = on_sigusr1(&databases, ReportOptions::default().writer(Sends(sender))).unwrap();
    signal_and_wait(&second);
    assert!(first.try_recv().is_err(), "one report");

    let (sender, third) = channel();
    let three = on_sigusr1(&databases, ReportOptions::default().writer(Panics(sender))).unwrap();
    assert_eq!(signal_and_wait(&third), "panics");
    assert_eq!(signal_and_wait(&third), "panics");
    drop(two);
    assert_eq!(signal_and_wait(&third), "panics", "what is dropped below does not matter");
    drop(three);
    assert!(signal_and_wait(&first).starts_with("---- SIGUSR1: "));
    assert!(one.is_enabled() && second.try_recv().is_err() && third.try_recv().is_err());
    drop(one);
    kill_process(getpid(), Signal::USR1).unwrap();
    assert!(first.recv_timeout(Duration::from_secs(5)).is_err(), "its writer is gone and the program lives");
}
