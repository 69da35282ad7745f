//! The part of the report on single tasks: where each of them waits. tokio can tell that only where the whole program was
//! built for it.
//!
//! A dump stops all workers for a moment, and is made by one of them. So it is left out while a worker is blocked, and is not
//! waited for for longer than two seconds.

use super::runtime::Workers;
use super::text::{Subject, line};

#[cfg(all(tokio_unstable, feature = "task-dumps", target_os = "linux"))]
pub(super) fn tell(text: &mut String, subject: &Subject, workers: Option<&Workers>) {
    use super::text::more;
    use std::sync::mpsc;
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(2);

    let Some(handle) = &subject.runtime else { return };
    if workers.is_some_and(|workers| workers.without_pause > 0) {
        return line(text, format_args!("tasks: not dumped, since that needs every worker"));
    }
    let (sender, receiver) = mpsc::channel();
    let (of, most) = (handle.clone(), subject.most);
    let dumping = handle.spawn(async move {
        let dump = of.dump().await;
        let all = dump.tasks().iter();
        let told: Vec<_> = all.clone().take(most).map(|task| (task.id(), task.trace().to_string())).collect();
        let _ = sender.send((all.len(), told));
    });
    let Ok((count, told)) = receiver.recv_timeout(PATIENCE) else {
        dumping.abort();
        return line(text, format_args!("tasks: not dumped within {} s", PATIENCE.as_secs()));
    };
    line(text, format_args!("tasks: {count}, where they wait"));
    for (id, trace) in &told {
        line(text, format_args!("  task {id}"));
        trace.lines().for_each(|at| line(text, format_args!("    {at}")));
    }
    more(text, told.len(), count);
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
