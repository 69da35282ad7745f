//! A row is done if it claims to be and every command prints what it should; a claim that is not kept is told with the
//! command, what should have come of it, and what did; a row that claims nothing is told when it has come true.

use checklists::page;
use checklists::shell;
use checklists::verdict::{Outcome, Report};
use std::path::Path;
use std::time::{Duration, Instant};

async fn report(text: &str) -> Report {
    let page = page::read("x.md", text).unwrap();
    let variables = [("GREETING".to_owned(), "good morning".to_owned())];
    let mut outcomes = Vec::new();
    for row in &page.rows {
        let mut of_row = Vec::new();
        for check in &row.checks {
            let output = shell::run(&check.command, Path::new("/"), &variables, shell::LIMIT).await;
            of_row.push(Outcome { check: check.clone(), output });
        }
        outcomes.push(of_row);
    }
    Report { page, outcomes }
}

#[tokio::test]
async fn each_kind_of_row() {
    let report = report(
        "# A Title - long
- [x] **1.** True.
  ```console
  $ echo \"$GREETING\"; pwd
  good morning
  /
  $ echo to the other output >&2
  to the other output
  ```
- [x] **2.** Half true.
  ```console
  $ echo a
  a
  $ echo b; false
  c
  ```
- [ ] **3.** **Not yet:** no.
- [ ] **4.** **Not yet:** no.
  ```console
  $ echo a
  b
  ```
- [ ] **5.** Has come. **Not yet:** no.
  ```console
  $ echo a
  a
  ```
",
    )
    .await;
    assert_eq!(report.line(), "A Title 1/5");
    let [failure] = &report.failures()[..] else { panic!("{:?}", report.failures()) };
    let told = "docs/checklists/x.md:10 row 2: Half true.
    command:
      echo b; false
    expected:
      c
    printed:
      b";
    assert_eq!(failure, told);
    assert_eq!(report.came_true(), ["docs/checklists/x.md:23 row 5: Has come. **Not yet:** no."]);
}

#[tokio::test]
async fn a_command_that_does_not_end_is_ended_with_all_that_it_started() {
    let began = Instant::now();
    let limit = Duration::from_millis(300);
    let said = shell::run("echo begun; sleep 600 & echo $!; wait", Path::new("/"), &[], limit).await;
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines[0], lines[2]), ("begun", "(it did not end within 300ms)"), "{said}");
    while state_of(lines[1]).is_some_and(|state| state != 'Z') {
        assert!(began.elapsed() < Duration::from_secs(60), "it sleeps on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// As Linux tells it. Killed, a process may stay as a zombie (Z) until somebody looks at it.
fn state_of(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}
