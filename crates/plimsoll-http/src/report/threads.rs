//! The part of the report on the threads of the program: what does each kind do, and how much CPU time does it use? So a
//! worker that is blocked is told apart from one that computes. Linux tells this in `/proc`; elsewhere the part is left out.

use super::text::{clean, line, ms};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// The threads of the program, each in a folder that has its number as its name.
const THREADS: &str = "/proc/self/task";
/// Kinds of threads that are told of.
const MOST: usize = 12;
/// Threads that are looked at.
const MOST_THREADS: usize = 1_024;

/// Threads of one name.
#[derive(Default)]
struct Kind {
    count: usize,
    /// Threads that run or are ready to, and those that wait in the kernel and cannot be interrupted.
    running: usize,
    in_kernel: usize,
    cpu: Duration,
}

/// Threads that are being watched: the CPU time that each has used.
pub(super) struct Watched {
    before: BTreeMap<String, Duration>,
    since: Instant,
}

impl Watched {
    pub(super) fn begin() -> Self {
        Watched {
            before: all().into_iter().map(|(id, seen)| (id, seen.cpu)).collect(),
            since: Instant::now(),
        }
    }
}

/// One thread at a moment.
struct Seen {
    name: String,
    state: char,
    cpu: Duration,
}

fn all() -> BTreeMap<String, Seen> {
    let Ok(folder) = fs::read_dir(THREADS) else { return BTreeMap::new() };
    let folders = folder.flatten().take(MOST_THREADS);
    folders
        .filter_map(|folder| Some((folder.file_name().into_string().ok()?, look(&folder.path())?)))
        .collect()
}

fn look(folder: &Path) -> Option<Seen> {
    let (name, state) = name_and_state(&fs::read_to_string(folder.join("stat")).ok()?)?;
    // Its first number is the time on a CPU, in nanoseconds. A kernel may be built without it.
    let times = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
    let nanos = times.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Some(Seen { name, state, cpu: Duration::from_nanos(nanos.unwrap_or_default()) })
}

/// From a line like `4711 (tokio-rt-worker) S 1 ..`. The name may have brackets and spaces in it.
fn name_and_state(stat: &str) -> Option<(String, char)> {
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    Some((name.to_owned(), rest.trim_start().chars().next()?))
}

/// What was seen of them.
pub(super) struct Threads {
    kinds: BTreeMap<String, Kind>,
    watched: Duration,
}

impl Threads {
    /// The CPU time of all of them.
    pub(super) fn cpu(&self) -> Duration {
        self.kinds.values().map(|kind| kind.cpu).sum()
    }
}

impl Watched {
    /// Nothing where the system does not tell.
    pub(super) fn end(self) -> Option<Threads> {
        let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
        for (id, seen) in all() {
            let kind = kinds.entry(seen.name).or_default();
            kind.count += 1;
            kind.running += usize::from(seen.state == 'R');
            kind.in_kernel += usize::from(seen.state == 'D');
            kind.cpu += seen.cpu.saturating_sub(self.before.get(&id).copied().unwrap_or(seen.cpu));
        }
        (!kinds.is_empty()).then(|| Threads { kinds, watched: self.since.elapsed() })
    }
}

pub(super) fn tell(text: &mut String, threads: Option<&Threads>) {
    let Some(threads) = threads else { return };
    let mut told: Vec<_> = threads.kinds.iter().collect();
    told.sort_by_key(|(name, kind)| (std::cmp::Reverse(kind.cpu), std::cmp::Reverse(kind.count), *name));
    line(text, format_args!("threads: CPU time in {}", ms(threads.watched)));
    for (name, Kind { count, running, in_kernel, cpu }) in told.iter().take(MOST) {
        let asleep = count.saturating_sub(running + in_kernel);
        let (name, cpu) = (clean(name), ms(*cpu));
        line(
            text,
            format_args!(
                "{cpu:>10}  {count} of {name}: {running} run, {asleep} sleep, {in_kernel} wait for a device"
            ),
        );
    }
    super::text::more(text, MOST, told.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_brackets_and_spaces() {
        let read = |stat| name_and_state(stat);
        assert_eq!(read("17 (tokio-rt-worker) S 1 17"), Some(("tokio-rt-worker".to_owned(), 'S')));
        assert_eq!(read("17 (a) b (c)) R 1 17"), Some(("a) b (c)".to_owned(), 'R')));
        assert_eq!((read(""), read("17 (a"), read("17 (a)")), (None, None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_computes_and_what_sleeps_are_told_apart() {
        let watched = Watched::begin();
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let sleeps = std::thread::Builder::new().name("sleeps".to_owned()).spawn(move || end.recv());
        let watched_from = Instant::now();
        let mut told = String::new();
        let busy = std::thread::Builder::new().name("computes".to_owned()).spawn(move || {
            let mut sum = 0_u64;
            while watched_from.elapsed() < Duration::from_millis(300) {
                sum = std::hint::black_box(sum.wrapping_add(1));
            }
            tell(&mut told, watched.end().as_ref());
            told
        });
        let told = busy.unwrap().join().unwrap();
        drop(ended);
        assert!(sleeps.unwrap().join().unwrap().is_err());
        assert!(told.contains("1 of computes: 1 run, 0 sleep"), "{told}");
        assert!(told.contains("1 of sleeps: 0 run, 1 sleep"), "{told}");
    }
}
