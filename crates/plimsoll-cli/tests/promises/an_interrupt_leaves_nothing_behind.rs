//! ^C in the middle of a freeze: the server is thawed, counted out and stopped, and the table is printed all the same.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

#[test]
fn even_while_the_server_is_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("night");
    std::fs::write(&script, "1s freeze\n").unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    demo.args(["demo", "--for", "10m", "--lane-rate", "20", "--pool", "2", "--script"]).arg(&script);
    // The server's folder is made in here, so that whatever is left of it can be seen.
    let place = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(place.path(), open_to_all()).unwrap();
    demo.env("TMPDIR", place.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = demo.spawn().unwrap();
    let mut progress = BufReader::new(demo.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(
        progress.any(|line| line.contains("the server is frozen")),
        "it is frozen before it is interrupted"
    );
    assert_ne!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the server lives in this place");

    kill_process(Pid::from_raw(demo.id().cast_signed()).unwrap(), Signal::INT).unwrap();
    let rest: Vec<String> = progress.collect();
    let mut table = String::new();
    demo.stdout.take().unwrap().read_to_string(&mut table).unwrap();
    assert_eq!(demo.wait().unwrap().code(), Some(130), "{rest:?}\n{table}");
    assert!(table.contains("plimsoll: ") && table.contains(" 0 lost, 0 doubled, 0 phantoms"), "{table}");
    let left: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The server and its watchdog may run as another user than this test, who takes the folder away too. No umask counts.
fn open_to_all() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o777)
}
