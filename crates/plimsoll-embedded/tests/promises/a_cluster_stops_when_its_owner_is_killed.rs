//! However its owner ends, a server does not outlive it, and nothing of it stays behind but a kept data folder.

use plimsoll_embedded::Cluster;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Owner {
    process: Child,
    url: String,
    server: String,
    folder: PathBuf,
}

/// A process of its own, which owns a server.
fn owner(data_dir: Option<&std::path::Path>) -> Owner {
    let mut command = Command::new(env!("CARGO_BIN_EXE_private-postgres"));
    command.args(data_dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = |key: &str| {
        let line = lines.next().unwrap().unwrap();
        line.strip_prefix(key).unwrap_or_else(|| panic!("{line}")).trim().to_owned()
    };
    let (url, server, folder) = (said("url"), said("pid"), said("folder").into());
    Owner { process, url, server, folder }
}

/// Not by way of the `kill` program: more than one version of it takes `-12345` for `-1`, which is everybody.
fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).filter(|pid| pid.as_raw_nonzero().get() > 1).unwrap()
}

/// Not there, or a zombie that nobody has reaped yet.
fn is_gone(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "stat=", "-p", pid]).output().unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    state.is_empty() || state.starts_with('Z')
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn assert_that_all_of_it_goes(owner: &Owner) {
    wait_until("the server is gone", || is_gone(&owner.server));
    wait_until("its folder is gone", || !owner.folder.exists());
}

#[test]
fn after_sigkill() {
    let mut owner = owner(None);
    assert!(!is_gone(&owner.server));
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    assert_that_all_of_it_goes(&owner);
}

#[test]
fn after_sigkill_while_the_server_is_paused() {
    let mut owner = owner(None);
    kill_process(pid(&owner.server), Signal::STOP).unwrap();
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();
    assert_that_all_of_it_goes(&owner);
}

/// A terminal sends its signals to the whole group that is in its foreground.
#[test]
fn after_an_interrupt_from_the_terminal() {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(env!("CARGO_BIN_EXE_private-postgres"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
    let mut process = command.spawn().unwrap();
    let mut url = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let port: u16 = url.trim().rsplit_once(':').unwrap().1.split_once('/').unwrap().0.parse().unwrap();
    let answers = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(answers());
    kill_process_group(pid(&process.id().to_string()), Signal::INT).unwrap();
    assert!(
        !process.wait_with_output().unwrap().status.success(),
        "the interrupt ended it, not the end of its input"
    );
    wait_until("nobody answers", || !answers());
}

#[tokio::test]
async fn and_its_kept_folder_can_be_used_at_once_by_the_next() {
    let home = tempfile::Builder::new().permissions(open_to_all()).tempdir_in("/tmp").unwrap();
    let data = home.path().join("data");
    let mut owner = owner(Some(&data));
    let mut psql = Command::new("psql");
    psql.args([&owner.url, "-qc", "CREATE TABLE kept AS SELECT 42 AS answer"]);
    assert!(psql.status().unwrap().success());
    owner.process.kill().unwrap();
    owner.process.wait().unwrap();

    let next = Cluster::builder().data_dir(&data).start().await.unwrap();
    let rows = next.execute("postgres", "SELECT answer FROM kept").await.unwrap();
    assert_eq!(rows.len(), 1);
    next.stop().await.unwrap();
}

#[tokio::test]
async fn or_drops_it_or_gives_up_starting_it() {
    let cluster = Cluster::start().await.unwrap();
    let (pid, folder) = (cluster.pid().unwrap().to_string(), cluster.socket_dir().to_owned());
    drop(cluster);
    assert!(is_gone(&pid));
    assert!(!folder.exists());

    // Given up at any moment of its start: every delay meets another step of it.
    for delay in [5, 100, 300, 450, 500, 550, 600] {
        let port = 14_000 + delay;
        let start = Cluster::builder().port(port).start();
        drop(tokio::time::timeout(Duration::from_millis(delay.into()), start).await);
        let what = format!("nobody answers on {port}");
        wait_until(&what, || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

fn open_to_all() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o755)
}
