//! What `/proc` says about processes: who is whose parent, in which state each is, and when it was born.
//!
//! A process id alone names nobody for long, since ids come round again; with the time of birth it does. The list of
//! children that the kernel keeps under `task/` is an option that many kernels are built without, so the tree is made
//! from every process's own word about its parent.

use std::collections::{BTreeMap, BTreeSet};

/// A process, for good: its id, and its birth in the kernel's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) pid: u32,
    pub(super) born: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: u32,
    born: u64,
}

/// `/proc/1/stat` is `1 (any name, ) and all) S 0 ..`: fields count from behind the last parenthesis.
fn parse(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(") ")?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { state, parent, born: fields.nth(17)?.parse().ok()? })
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// A zombie only waits for its parent to ask how it died.
fn is_dead(state: char) -> bool {
    matches!(state, 'Z' | 'X' | 'x')
}

/// Whether this system can be asked at all.
pub(super) fn is_supported() -> bool {
    stat(std::process::id()).is_some()
}

/// The living process with this id.
pub(super) fn find(pid: u32) -> Option<Id> {
    stat(pid).filter(|stat| !is_dead(stat.state)).map(|stat| Id { pid, born: stat.born })
}

/// Whether it lives, and is the one that it was.
pub(super) fn lives(id: Id) -> bool {
    find(id.pid) == Some(id)
}

/// The state of a process that is not stopped yet, the first of its threads that is not; `None` once all are, or it
/// is dead.
pub(super) fn moving(id: Id) -> Option<char> {
    if !lives(id) {
        return None;
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", id.pid)).ok()?;
    let mut states = threads.flatten().filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        parse(&text).map(|stat| stat.state)
    });
    states.find(|&state| !matches!(state, 'T' | 't') && !is_dead(state))
}

/// The state of a process that is not dead yet.
pub(super) fn living(id: Id) -> Option<char> {
    stat(id.pid).filter(|stat| stat.born == id.born && !is_dead(stat.state)).map(|stat| stat.state)
}

/// Every living descendant and its parent's id, parents before their children.
pub(super) fn descendants(root: Id) -> Vec<(Id, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut children: BTreeMap<u32, Vec<(Id, u32)>> = BTreeMap::new();
    for pid in pids {
        if let Some(stat) = stat(pid).filter(|stat| !is_dead(stat.state)) {
            children.entry(stat.parent).or_default().push((Id { pid, born: stat.born }, stat.parent));
        }
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([root.pid]);
    let mut parents = vec![root.pid];
    while !parents.is_empty() {
        let theirs = parents.iter().filter_map(|parent| children.remove(parent)).flatten();
        // The files were not read in one moment: an id that came round meanwhile must not close a circle.
        let new: Vec<(Id, u32)> = theirs.filter(|(child, _)| seen.insert(child.pid)).collect();
        parents = new.iter().map(|(child, _)| child.pid).collect();
        found.extend(new);
    }
    found
}

/// Whether `pid` is this process's parent, or that one's, and so on.
pub(super) fn is_above_this_process(pid: u32) -> bool {
    let mut above = std::process::id();
    while let Some(stat) = stat(above) {
        if stat.parent == pid {
            return true;
        }
        above = stat.parent;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Stat, parse};

    #[test]
    fn a_name_may_look_like_fields() {
        let text = "812 (a) S 1 (b) ) T 7 812 812 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 5318 1 2";
        assert_eq!(parse(text), Some(Stat { state: 'T', parent: 7, born: 5318 }));
        assert_eq!(parse("812 (short) T 7"), None);
        assert_eq!(parse(""), None);
    }
}
