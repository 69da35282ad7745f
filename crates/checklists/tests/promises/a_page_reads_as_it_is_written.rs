//! A page is Markdown for people; its title, its rows and their commands are read from it, and what cannot be read is told
//! with its line, all of it at once.

use checklists::page::{self, Check};
use proptest::prelude::*;

const PAGE: &str = r#"# P0 Fixes - Report (2025)

What this page is for. A list of other things is none of rows:

- plain, and not counted

## Testing

- [x] **1.** The limit is there,
  on every connection.

  ```console
  $ psql "$DATABASE_URL" -c 'SHOW statement_timeout'
   statement_timeout
  …

  (1 row)
  $ for i in 1 2; do
  >   echo $i
  > done
  1
  2
  ```

  More about it.
- [ ] **2.** A report of queries. **Not yet:** nobody counts them.

  ```console
  $ curl -s $FLEET_URL/api/metrics/queries
  []
  ```

- [x] **2a.** Came in later.
  ```console
  $ echo '- [x] not a row'
  - [x] not a row
  ```

```sh
an example for people, outside of rows
```
"#;

fn check(command: &str, expected: &[&str]) -> Check {
    Check { command: command.to_owned(), expected: expected.iter().map(|line| (*line).to_owned()).collect() }
}

#[test]
fn title_rows_claims_and_commands() {
    let page = page::read("p0.md", PAGE).unwrap();
    assert_eq!((page.title.as_str(), page.short_title()), ("P0 Fixes - Report (2025)", "P0 Fixes"));
    let rows: Vec<_> = page.rows.iter().map(|row| (row.number.as_str(), row.line, row.claims)).collect();
    assert_eq!(rows, [("1", 9, true), ("2", 26, false), ("2a", 33, true)]);
    assert_eq!((page.claimed(), page.rows.len()), (2, 3));
    assert_eq!(page.rows[0].text, "The limit is there, on every connection. More about it.");
    let limit = "psql \"$DATABASE_URL\" -c 'SHOW statement_timeout'";
    assert_eq!(
        page.rows[0].checks,
        [
            check(limit, &[" statement_timeout", "…", "", "(1 row)"]),
            check("for i in 1 2; do\n  echo $i\ndone", &["1", "2"]),
        ]
    );
    assert_eq!(page.rows[1].checks, [check("curl -s $FLEET_URL/api/metrics/queries", &["[]"])]);
    assert_eq!(page.rows[2].checks, [check("echo '- [x] not a row'", &["- [x] not a row"])]);
}

#[test]
fn a_title_is_short_up_to_its_first_dash_or_bracket() {
    for (title, short) in [
        ("002: Database Safety -- statement_timeout, Pool - Usage", "002: Database Safety"),
        ("Hardening Add-Ons (beyond - that)", "Hardening Add-Ons"),
        ("Database Resilience Features", "Database Resilience Features"),
    ] {
        assert_eq!(page::read("x.md", &format!("# {title}\n")).unwrap().short_title(), short);
    }
}

/// A page with one row, after which something is wrong.
fn problems(rows: &str) -> Vec<String> {
    page::read("x.md", &format!("# T\n{rows}")).unwrap_err()
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let block = |lines: &str| format!("- [x] **1.** A\n\n  ```console\n{lines}\n  ```\n");
    for (rows, told) in [
        ("- [x] 1. no number in bold\n".to_owned(), "x.md:2: a row begins like this"),
        ("- [X] **1.** A\n".to_owned(), "x.md:2: a row begins like this"),
        ("- [x] **0.** A\n".to_owned(), "x.md:2: a row begins like this"),
        ("- [x] **1aa.** A\n".to_owned(), "x.md:2: a row begins like this"),
        ("- [ ] **1.** A. **Not yet:** b\n  - [ ] **2.** C\n".to_owned(), "x.md:3: a row is not indented"),
        ("- [x] **1.** A\n".to_owned(), "row 1 is ticked and has no command that proves it"),
        ("- [ ] **1.** A\n".to_owned(), "row 1 is not ticked and does not say **Not yet:** and why"),
        (block("  $ true\n  a").replace("A\n", "A **Not yet**\n"), "row 1 is ticked and says **Not yet"),
        (block("  no command"), "x.md:4: this block begins with a line that is no command"),
        (block("  $ echo a"), "x.md:4: a command is followed by what it prints"),
        (block("  $ echo a\n  $ echo b\n  b"), "x.md:4: a command is followed by what it prints"),
        (block("  $ echo a\n  a").replace("  ```\n", ""), "a block is not closed"),
        ("```console\n$ echo a\na\n```\n".to_owned(), "x.md:2: this block belongs to no row"),
        (block("  $ echo a\n  a") + "# Another\n", "a page has one title"),
    ] {
        let problems = problems(&rows);
        assert!(problems.iter().any(|problem| problem.contains(told)), "{rows}: {problems:?}");
    }
    for (numbers, told) in [(["2", "1"], "row 1 stands behind row 2"), (["1a", "1a"], "row 1a stands behind")]
    {
        let rows = numbers.map(|number| format!("- [ ] **{number}.** **Not yet:** b\n")).concat();
        let problems = problems(&rows);
        assert!(problems[0].contains(told), "{problems:?}");
    }
    assert_eq!(page::read("x.md", "- [ ] **1.** **Not yet:** b\n").unwrap_err(), ["x.md: it has no title"]);
    let two = problems("- [x] **1.** A\n- [ ] **2.** B\n");
    assert_eq!(two.len(), 2, "{two:?}");
}

#[test]
fn a_folder_is_read_in_the_order_of_names_and_its_readme_is_for_people() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("b.md", "# B\n");
    write("a.md", "# A\n");
    write("README.md", "no title, and - [x] no row\n");
    write("notes.txt", "");
    let pages = page::read_folder(folder.path()).unwrap().unwrap();
    assert_eq!(pages.iter().map(|page| page.title.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    write("b.md", "nothing");
    write("c.md", "nothing");
    let problems = page::read_folder(folder.path()).unwrap().unwrap_err();
    assert_eq!(problems, ["b.md: it has no title", "c.md: it has no title"]);
    assert!(page::read_folder(&folder.path().join("away")).is_err());
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "((# |- \\[[x ]\\] \\*\\*|  |```console|\\$ |> |[0-9]{1,12}\\.\\*\\* |…|é|[a-z]{0,3})\n?){0,12}") {
        let _ = page::read("x.md", &text);
    }
}
