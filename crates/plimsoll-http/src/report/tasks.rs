//! The part of the report on single tasks: where each of them waits. tokio can tell that only where the whole program was
//! built for it.
//!
//! A dump stops all workers for a moment, and is made by one of them. So it is left out while a worker is blocked, and is not
//! waited for for longer than two seconds.

use super::runtime::Workers;
use super::text::{Subject, line};

#[cfg(all(tokio_unstable, feature = "task-dumps", target_os = "linux"))]
pub(super) fn tell(text: &mut String, subject: &Subject, workers: Option<&Workers>) {
    use super::text::{clean, more};
    use std::sync::mpsc;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(2);
    /// Of the trace of one task.
    const MOST_LINES: usize = 40;

    let Some(handle) = &subject.runtime else { return };
    if workers.is_some_and(|workers| workers.without_pause > 0) {
        return line(text, format_args!("tasks: not dumped, since that needs every worker"));
    }
    let (sender, receiver) = mpsc::channel();
    let of = handle.clone();
    // It is only made there, and made readable here, since that takes longer.
    let dumping = handle.spawn(async move { sender.send(of.dump().await) });
    let Ok(dump) = receiver.recv_timeout(PATIENCE) else {
        dumping.abort();
        return line(text, format_args!("tasks: not dumped within {} s", PATIENCE.as_secs()));
    };
    let (count, told) = (dump.tasks().iter().count(), dump.tasks().iter().take(subject.most));
    line(text, format_args!("tasks: {count}, where they wait"));
    for task in told {
        line(text, format_args!("  task {}", task.id()));
        let trace = task.trace().to_string();
        trace.lines().take(MOST_LINES).for_each(|at| line(text, format_args!("    {}", clean(at))));
    }
    more(text, subject.most, count);
}

#[cfg(not(all(tokio_unstable, feature = "task-dumps", target_os = "linux")))]
pub(super) fn tell(text: &mut String, _subject: &Subject, _workers: Option<&Workers>) {
    line(
        text,
        format_args!(
            "tasks: no dump; for one, build with plimsoll-http's feature task-dumps and \
             RUSTFLAGS=\"--cfg tokio_unstable\", on Linux"
        ),
    );
}
