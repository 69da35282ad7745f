//! A night of freeze, cut, lost answers and kill, on a real server: the figures add up, and whoever was told "it is
//! stored" by the guarded lane finds it stored, once. The plain lane tries again as it is told to, and doubles.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

const NIGHT: &str = "
    1s freeze
    3s thaw
    4s cut
    5s once on-message to-server Q COMMIT answer-dropped
    6s kill
";

/// Rows by their name, and the figures of the plain lane and of plimsoll.
fn rows(output: &Output) -> BTreeMap<String, [u64; 2]> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let name = cells.next()?.to_owned();
        let mut number = || cells.next()?.replace(',', "").parse::<u64>().ok();
        Some((name, [number()?, number()?]))
    });
    lines.collect()
}

#[test]
fn on_a_short_script() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("night");
    std::fs::write(&script, NIGHT).unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    demo.args(["demo", "--markdown", "--for", "10s", "--lane-rate", "50", "--pool", "4", "--script"])
        .arg(&script);
    let output = demo.stdin(Stdio::null()).output().unwrap();
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let rows = rows(&output);
    let told = format!("{rows:#?}\n{progress}");
    assert_eq!(output.status.code(), Some(0), "{told}");

    for lane in 0..2 {
        let of = |name: &str| rows.get(name).unwrap_or_else(|| panic!("no row {name}: {told}"))[lane];
        let ends =
            of("acknowledged") + of("refused, nothing was begun") + of("failed for certain") + of("unknown");
        assert_eq!(of("requests"), ends, "{told}");
        // Ten seconds of fifty requests, give or take what a busy machine makes late.
        assert!((450..=505).contains(&of("requests")), "{told}");
        assert!(of("acknowledged") > 100, "most of the time nothing was broken: {told}");
        // A lane that tries again may get through all of them, at the price of rows that are stored twice.
        let price = of("doubled: stored more than once");
        assert!(of("acknowledged") < of("requests") || price > 0, "the troubles were real: {told}");
        let present = of("acknowledged") - of("lost: acknowledged and not stored")
            + of("of these stored")
            + of("phantoms: told no and stored");
        // Three tries store an id three times at the most.
        let doubled = of("doubled: stored more than once");
        assert!((present + doubled..=present + 2 * doubled).contains(&of("stored")), "{told}");
    }
    // Its COMMIT was done, the answer was dropped, and half a second later it tried again as it was told to.
    assert!(rows["doubled: stored more than once"][0] > 0, "{told}");
    let ours = |name: &str| rows[name][1];
    assert_eq!(ours("lost: acknowledged and not stored"), 0, "{told}");
    assert_eq!(ours("phantoms: told no and stored"), 0, "{told}");
    assert_eq!(ours("doubled: stored more than once"), 0, "{told}");
    let (requests, text) = (ours("requests"), String::from_utf8_lossy(&output.stdout).into_owned());
    let verdict = format!("\nplimsoll: 0 lost, 0 doubled of {requests}; deadpool: ");
    assert!(text.contains(&verdict), "{verdict}{text}");
    for step in ["the server is frozen", "the server is thawed", "cut: ", "the server is killed", "is back"] {
        assert!(progress.contains(step), "{step}: {progress}");
    }
}

#[test]
fn when_five_times_as_much_comes_as_can_be_served() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
    demo.args(["demo", "--unattended", "--markdown", "--for", "15s", "--lane-rate", "50", "--pool", "2"]);
    let output = demo.stdin(Stdio::null()).output().unwrap();
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let rows = rows(&output);
    let told = format!("{rows:#?}\n{progress}");
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(progress.contains("five times the capacity: 100 requests a second"), "{told}");
    assert!(progress.contains("the rush is over: 50 requests a second"), "{told}");
    // A tenth of the time at twice the pace, however late a busy machine makes it.
    assert!(rows["requests"][1] > 780, "{told}");
}
