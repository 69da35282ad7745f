//! Without `DATABASE_URL` the service brings a PostgreSQL of its own, which is gone with it, and each command that it prints
//! works as printed.

use crate::started::Started;
use std::process::Stdio;
use tokio::process::Command;

#[tokio::test]
async fn the_commands_work_as_printed() {
    let started = Started::with(env!("CARGO_BIN_EXE_content"), &[]).await;
    let printed = started.printed();
    let commands: Vec<&str> =
        printed.lines().filter_map(|line| line.find("curl").and_then(|at| line.get(at..))).collect();
    let mut said = Vec::new();
    for command in &commands {
        let shell = Command::new("bash").args(["-c", command]).stdin(Stdio::null()).output().await.unwrap();
        said.push((shell.status.code(), String::from_utf8(shell.stdout).unwrap()));
    }
    let [page, late, left] = said.as_slice() else { panic!("{printed}") };
    assert!(page.0 == Some(0) && page.1.matches("\"night\"").count() == 3, "{page:?}");
    assert!(late.1.starts_with("HTTP/1.1 504") && late.1.contains("PL-DEA-01"), "{late:?}");
    assert_eq!(left.0, Some(28), "curl has given up: {left:?}");
    assert!(started.stop().await.success());
}
