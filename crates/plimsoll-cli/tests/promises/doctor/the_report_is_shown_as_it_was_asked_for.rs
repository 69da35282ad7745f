//! The screens of `doctor`, each compared with the one that is kept, and the status of each run.

use crate::command::{Run, is_the_screen, plimsoll, program, runs};
use plimsoll_embedded::Cluster;
use plimsoll_inspect::checks::all;

struct Scene {
    cluster: Cluster,
    url: String,
}

/// A server with the application's role and its database.
async fn scene() -> Scene {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE ROLE app LOGIN").await.unwrap();
    cluster.create_database("orders").await.unwrap();
    Scene { url: cluster.url("orders"), cluster }
}

impl Scene {
    async fn doctor(&self, arguments: &[&str]) -> Run {
        let mut all = vec!["doctor", self.url.as_str(), "--role", "app", "--only", "G01"];
        all.extend(arguments);
        let mut command = plimsoll(&all);
        command.env("COLUMNS", "80");
        runs(command).await
    }

    /// A screen without what differs from run to run.
    fn screen(&self, text: &str) -> String {
        let version: String = {
            let major = self.cluster.version();
            let at = text.find(&format!("{major}."));
            at.map(|at| text[at..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect())
                .unwrap_or_default()
        };
        let mut lines = Vec::new();
        for line in text.lines() {
            let mut line =
                if version.is_empty() { line.to_owned() } else { line.replace(&version, "<version>") };
            if let Some(at) = line.find(" (0.").or(line.find(" (1.")).or(line.find(" (2.")) {
                let end = line[at..].find(" s)").unwrap() + at;
                line.replace_range(at..end, " (<time>");
            }
            for name in ["server_time", "started", "pid", "version", "version_text"] {
                if line.trim_start().starts_with(&format!("\"{name}\":")) {
                    let at = line.find(':').unwrap();
                    let comma = if line.ends_with(',') { "," } else { "" };
                    line = format!("{}: \"<{name}>\"{comma}", &line[..at]);
                }
            }
            lines.push(line);
        }
        let mut text = lines.join("\n") + "\n";
        if let Some(end) = text.find(" UTC") {
            let begin = text[..end].rfind("  ").unwrap() + 2;
            text.replace_range(begin..end, "<time>");
        }
        text
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_a_table_as_plain_lines_and_as_json() {
    let scene = scene().await;
    let table = scene.doctor(&[]).await;
    assert_eq!((table.status, table.error.as_str()), (2, ""), "{}", table.out);
    is_the_screen("doctor-table.txt", &scene.screen(&table.out));
    let mut prose = table.out.lines().filter(|line| !line.contains("ALTER"));
    assert!(prose.all(|line| line.chars().count() <= 80), "80 columns: {}", table.out);
    let plain = scene.doctor(&["--format", "plain"]).await;
    assert_eq!(plain.status, 2);
    is_the_screen("doctor-plain.txt", &scene.screen(&plain.out));
    let json = scene.doctor(&["--json"]).await;
    assert_eq!(json.status, 2);
    is_the_screen("doctor.json", &scene.screen(&json.out));
    assert_eq!(json.out.lines().count(), scene.doctor(&["--format", "json"]).await.out.lines().count());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_what_is_new_or_worse_alone() {
    let scene = scene().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("earlier.json");
    let earlier = file.to_str().unwrap();
    std::fs::write(&file, scene.doctor(&["--json"]).await.out).unwrap();
    let same = scene.doctor(&["--since", earlier]).await;
    assert_eq!((same.status, same.error.as_str()), (0, ""), "what is known is no alarm: {}", same.out);
    is_the_screen("doctor-since-nothing.txt", &scene.screen(&same.out));

    scene
        .cluster
        .execute("postgres", "ALTER ROLE app SET client_connection_check_interval = '2s'")
        .await
        .unwrap();
    let well = scene.doctor(&["--json"]).await;
    assert_eq!(well.status, 0, "{}", well.out);
    std::fs::write(&file, well.out).unwrap();
    let warned = scene.doctor(&["--since", earlier, "--threshold", "dead_client_check_warn=1"]).await;
    assert_eq!(warned.status, 1, "{}", warned.out);
    is_the_screen("doctor-since-worse.txt", &scene.screen(&warned.out));

    let other =
        runs(plimsoll(&["doctor", &scene.cluster.url("postgres"), "--only", "G01", "--since", earlier]))
            .await;
    assert!(
        other.error.contains("warning: --since holds a report on database orders, role app"),
        "{other:?}"
    );
    for (text, said) in [
        ("{", "is not JSON"),
        ("[]", "was not written by plimsoll doctor --json"),
        (r#"{"schema_version": 99}"#, "written by a newer plimsoll"),
        (r#"{"schema_version": 1}"#, "not a whole report"),
    ] {
        std::fs::write(&file, text).unwrap();
        let refused = scene.doctor(&["--since", earlier]).await;
        assert!(refused.status == 3 && refused.error.contains(said), "{refused:?}");
    }
}

/// With all checks, of which some cannot be made here: the second night is a quiet one.
#[tokio::test(flavor = "multi_thread")]
async fn the_second_night_is_quiet() {
    let scene = scene().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("earlier.json");
    let url = scene.cluster.url("postgres");
    let whole = runs(plimsoll(&["doctor", &url, "--role", "app", "--json"])).await;
    assert!(whole.status == 2 && whole.out.contains("\"skipped\""), "{whole:?}");
    std::fs::write(&file, whole.out).unwrap();
    let again = runs(plimsoll(&["doctor", &url, "--role", "app", "--since", file.to_str().unwrap()])).await;
    assert_eq!(again.status, 0, "{}", again.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_colours_where_somebody_sees_them() {
    let scene = scene().await;
    let coloured = |text: &str| text.contains("\x1b[");
    assert!(!coloured(&scene.doctor(&[]).await.out), "no terminal, no colours");
    assert!(coloured(&scene.doctor(&["--color", "always"]).await.out));
    let arguments = ["doctor", scene.url.as_str(), "--role", "app", "--only", "G01"];
    let with = async |name: &str| {
        let mut command = plimsoll(&arguments);
        command.env(name, "1");
        runs(command).await.out
    };
    assert!(coloured(&with("CLICOLOR_FORCE").await));
    assert!(!coloured(&with("NO_COLOR").await));
    // `script` gives it a terminal.
    let line = format!("{} {}", env!("CARGO_BIN_EXE_plimsoll"), arguments.join(" "));
    let on_a_terminal = async |name: &str| {
        let mut command = program("script", &["-qec", &line, "/dev/null"]);
        command.env(name, "1").env("TERM", "xterm");
        runs(command).await.out
    };
    assert!(coloured(&on_a_terminal("SOMETHING_ELSE").await));
    assert!(!coloured(&on_a_terminal("NO_COLOR").await));
}

#[tokio::test]
async fn with_what_goes_on_where_it_takes_over_a_second() {
    // Connections are taken by the kernel, and no program reads them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://app@{}/orders", silent.local_addr().unwrap());
    let shown = async |limit: &str| {
        let arguments = ["doctor", url.as_str(), "--connect-timeout", limit];
        let line = format!("{} {}", env!("CARGO_BIN_EXE_plimsoll"), arguments.join(" "));
        let on_a_terminal = runs(program("script", &["-qec", &line, "/dev/null"])).await.out;
        (on_a_terminal, runs(plimsoll(&arguments)).await.error)
    };
    let (terminal, file) = shown("2s").await;
    assert!(terminal.contains("connecting (1 s)"), "{terminal:?}");
    assert!(!file.contains("connecting (") && file.lines().count() == 1, "{file}");
}

#[tokio::test]
async fn and_the_list_names_every_check_and_threshold() {
    let list = async |more: &[&str]| {
        let ran = runs(plimsoll(&[&["doctor", "--list"], more].concat())).await;
        assert_eq!((ran.status, ran.error.as_str()), (0, ""), "{}", ran.out);
        ran.out
    };
    is_the_screen("doctor-list.txt", &list(&["--only", "G01"]).await);
    let (table, plain) = (list(&[]).await, list(&["--format", "plain"]).await);
    let json: serde_json::Value = serde_json::from_str(&list(&["--json"]).await).unwrap();
    assert_eq!(json["checks"].as_array().unwrap().len(), all().count());
    for check in all() {
        assert!(
            table.contains(check.id) && plain.contains(&format!("{}\t{}", check.id, check.title)),
            "{}",
            check.id
        );
        for threshold in check.thresholds {
            assert!(
                table.contains(&format!("{}=", threshold.name)) && plain.contains(threshold.name),
                "{}",
                threshold.name
            );
        }
    }
    let changed = list(&["--only", "G01", "--threshold", "dead_client_check_warn=7"]).await;
    assert!(changed.contains("dead_client_check_warn=7 s"), "{changed}");
}
