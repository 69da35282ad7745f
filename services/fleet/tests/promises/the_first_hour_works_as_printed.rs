//! Started with nothing said, the service brings a PostgreSQL of its own, and prints commands that do what they are
//! said to do, word for word. Stopped and started again in the same folder, it knows its rows and its keys.

use crate::process::without_a_database;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A PostgreSQL is made, with all that belongs to it, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(90);

/// What `make run` starts, with nothing of what its caller's environment says of databases.
struct Service {
    process: Child,
    /// The commands that it printed, in their order.
    printed: Vec<String>,
}

impl Service {
    async fn start(folder: &Path) -> Service {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        without_a_database(&mut command);
        // Its usual port may be taken by a service that somebody has running.
        command.env("FLEET_LISTEN", "127.0.0.1:0").env("FLEET_DATA", folder).env("RUST_LOG", "warn");
        command.env("FLEET_ENV_FILE", folder.join(".env.fleet"));
        let mut process = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut printed = Vec::new();
        let reading = async {
            // The last command that it prints is the one that looks into the table.
            while !printed.last().is_some_and(|line: &String| line.starts_with("psql ")) {
                let line = said.next_line().await.unwrap().expect("it ended before it was ready");
                let line = line.trim();
                if ["curl ", "export ", "psql "].iter().any(|verb| line.starts_with(verb)) {
                    printed.push(line.to_owned());
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("it was not ready in time");
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Service { process, printed }
    }

    /// Runs a printed command as a shell would.
    async fn run(&self, commands: &[String]) -> String {
        let shell = Command::new("bash").arg("-c").arg(commands.join("\n")).output();
        let output = timeout(PATIENCE, shell).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{commands:?}\n{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    async fn interrupt(mut self) {
        let pid = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
        let status = timeout(PATIENCE, self.process.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

/// How many readings of 25 degrees this table has, as `psql` draws it.
fn readings(table: &str) -> usize {
    table.lines().filter(|line| line.contains(" d1 ") && line.contains("25")).count()
}

#[tokio::test]
async fn each_printed_command_does_what_it_says_and_a_restart_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let [send, list, export, look] = &service.printed[..] else { panic!("{:?}", service.printed) };
    let answer = service.run(std::slice::from_ref(send)).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let answer = service.run(std::slice::from_ref(list)).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"d1\""), "{answer}");
    let table = service.run(&[export.clone(), look.clone()]).await;
    assert_eq!(readings(&table), 1, "{table}");
    let key = |send: &str| send.split('\'').nth(1).unwrap().to_owned();
    let first_key = key(send);
    assert!(first_key.starts_with("X-Provision-Token: ") && first_key.len() > 40, "{first_key}");
    service.interrupt().await;

    let service = Service::start(folder.path()).await;
    let [send, list, export, look] = &service.printed[..] else { panic!("{:?}", service.printed) };
    assert_eq!(key(send), first_key);
    let answer = service.run(std::slice::from_ref(list)).await;
    assert!(answer.contains("\"d1\""), "{answer}");
    let answer = service.run(std::slice::from_ref(send)).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let table = service.run(&[export.clone(), look.clone()]).await;
    assert_eq!(readings(&table), 2, "{table}");
    service.interrupt().await;
}

/// What the file gives to a shell that reads it, and to everything that is started there.
const WITH_THE_FILE: [&str; 7] = [
    "set -eu -a; . \"$FILE\"; set +a",
    "curl -sf -H \"X-Provision-Token: $DEVICE_KEY\" -H 'Content-Type: application/json' -d '{\"t\": 1}' \
     \"$FLEET_URL/ingest/v1/tenant/$TENANT_ID/device/d7/telemetry\"; echo",
    "curl -sf -H \"Authorization: Bearer $TENANT_TOKEN\" \"$FLEET_URL/api/v1/customer/devices\"; echo",
    "curl -sf -H \"Authorization: Bearer $OPERATOR_TOKEN\" \"$FLEET_URL/operator/system/health\"; echo",
    "curl -sf -H \"Authorization: Bearer $TENANT_JWT\" \"$FLEET_URL/api/v1/customer/devices\"; echo",
    // Which tokens were revoked is known a moment after the start.
    "curl -sf --retry 20 --retry-max-time 20 -H \"Authorization: Bearer $OPERATOR_JWT\" \
     \"$FLEET_URL/operator/system/health\"; echo",
    "psql \"$DATABASE_URL\" -X -A -t -c 'select count(*) from telemetry'",
];

#[tokio::test]
async fn and_the_file_for_shells_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path()).await;
    let file = folder.path().join(".env.fleet");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "for its owner's eyes only");
    let mut commands = vec![format!("FILE='{}'", file.display())];
    commands.extend(WITH_THE_FILE.map(str::to_owned));
    let said = service.run(&commands).await;
    let lines: Vec<_> = said.lines().collect();
    let [sent, listed, health, signed, of_operator, count] = lines[..] else { panic!("{said}") };
    assert!(sent.contains("accepted"), "{sent}");
    assert!(listed.contains("\"d7\""), "{listed}");
    assert!(health.contains("\"healthy\"") && health.contains("ops_worker"), "{health}");
    assert!(signed == listed && of_operator.contains("\"healthy\""), "{signed} {of_operator}");
    assert_eq!(count, "1", "as the service's role, which row-level security binds");

    // In a database that was made here nobody puts a temporary table in front of a real one.
    let hide = "psql \"$DATABASE_URL\" -X -c 'create temp table telemetry (n int)' 2>&1 || true".to_owned();
    let said = service.run(&[commands[0].clone(), commands[1].clone(), hide]).await;
    assert!(said.contains("permission denied to create temporary tables"), "{said}");

    // Whoever starts the service in that shell is told what to do.
    let start = format!("FLEET_LISTEN=127.0.0.1:0 '{}' 2>&1 || true", env!("CARGO_BIN_EXE_fleet"));
    let said = service.run(&[commands[0].clone(), commands[1].clone(), start]).await;
    assert!(said.contains("unset DATABASE_URL"), "{said}");
    service.interrupt().await;
}
