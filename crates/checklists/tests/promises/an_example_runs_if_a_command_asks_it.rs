//! Of the example services those run whose variable a command has, and no other; each tells where it listens, and is stopped
//! as Ctrl-C would stop it.

use checklists::examples::{EXAMPLES, Examples, needed};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn and_no_other() {
    assert_eq!(needed(&["curl $FLEET_URL/healthz", "echo CONTENT_URL $MY_CONTENT_URL"]), [] as [&str; 0]);
    assert_eq!(needed(&["curl -s \"$CONTENT_URL/content/unified?tags=night\""]), ["content"]);
    let both =
        ["grep -c x ${SALES_AGENT_LOG}", "kill -USR1 $EXPLOIT_INTEL_PID", "curl $SALES_AGENT_URL/pool"];
    assert_eq!(needed(&both), ["exploit-intel", "sales-agent"]);
}

#[test]
fn each_is_a_package_that_says_when_it_is_ready() {
    for name in EXAMPLES {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../examples/{name}/src/main.rs"));
        let source = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{name}: {error}"));
        for line in [format!("{name} listens on "), format!("{name} is ready")] {
            assert!(source.contains(&line), "{name} does not print {line:?}");
        }
    }
}

/// Programs that do what an example does on its first screen, and write down how they end.
fn programs(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in EXAMPLES {
        let place = folder.path().join(name);
        fs::write(&place, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

const SCRIPT: &str = r#"
name=$(basename "$0")
trap 'echo stopped >> "$0.ended"; exit 0' INT
echo "$name listens on http://127.0.0.1:4711"
echo "  Try: curl http://127.0.0.1:4711/"
echo "it listens at $LISTEN, DATABASE_URL is ${DATABASE_URL-not said}" >&2
echo "$name is ready"
while :; do sleep 0.05; done"#;

#[tokio::test]
async fn it_is_started_and_stopped() {
    let folder = programs(SCRIPT);
    let examples = Examples::start(folder.path(), &["curl $SALES_AGENT_URL/pool"]).await.unwrap();
    let value = |name: &str| {
        let found = examples.variables().iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(value("SALES_AGENT_URL").as_deref(), Some("http://127.0.0.1:4711"));
    assert_eq!(value("CONTENT_URL"), None);
    assert!(value("SALES_AGENT_PID").unwrap().parse::<u32>().unwrap() > 0);
    let log = fs::read_to_string(value("SALES_AGENT_LOG").unwrap()).unwrap();
    assert_eq!(log.trim(), "it listens at 127.0.0.1:0, DATABASE_URL is not said");
    examples.stop().await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("sales-agent.ended")).unwrap().trim(), "stopped");
}

#[tokio::test]
async fn one_that_does_not_start_is_told_with_its_log() {
    let folder = programs("echo 'the port is taken' >&2; exit 1");
    let told = Examples::start(folder.path(), &["curl $CONTENT_URL"]).await.err().unwrap().to_string();
    assert!(told.contains("content did not start") && told.contains("the port is taken"), "{told}");
}
