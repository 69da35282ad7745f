//! A server all of whose processes are stopped, as on a machine that hangs: connections stay and nothing answers.

use plimsoll_embedded::Cluster;
use std::process::Command;

/// The stopped processes. Dropped, they go on.
pub(crate) struct Frozen(Vec<String>);

impl Frozen {
    /// Stops the postmaster first, so that nothing is started meanwhile, and then all that it has started.
    pub(crate) fn freeze(cluster: &Cluster) -> Self {
        let postmaster = cluster.pid().unwrap();
        let mut frozen = Frozen(vec![postmaster.to_string()]);
        frozen.signal("-STOP");
        frozen.0.extend(children(postmaster));
        frozen.signal("-STOP");
        frozen
    }

    fn signal(&self, signal: &str) {
        // A process that has ended meanwhile is none that runs.
        let _ended_meanwhile = Command::new("kill").arg(signal).args(&self.0).output().unwrap();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

/// The processes whose parent is this one.
fn children(parent: u32) -> Vec<String> {
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name before it stands in parentheses and may hold anything.
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(parent.to_string().as_str())
    };
    let entries = std::fs::read_dir("/proc").unwrap();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.parse::<u32>().is_ok()).filter(is_child).collect()
}
