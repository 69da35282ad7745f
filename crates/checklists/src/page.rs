//! A page of `docs/checklists/`, read.
//!
//! A page is Markdown that reads well by itself. What counts in it is its title and its rows; everything else is for
//! people. A row is an item of a task list with a number of its own, and whatever is indented under it:
//!
//! ````markdown
//! - [x] **7.** Each connection shows `30s`.
//!
//!   ```console
//!   $ psql "$DATABASE_URL" -Atc 'SHOW statement_timeout'
//!   30s
//!   ```
//! - [ ] **8.** Operators see the slowest queries. **Not yet:** there is no such endpoint.
//! ````
//!
//! A ticked box claims that the row is true today, and must have a command that proves it. A box that is not ticked says
//! `**Not yet` and why; it may have a command that will prove it. In a `console` block a line that begins with `$ ` is a
//! command, one that begins with `> ` goes on with it, and the lines up to the next command are what it prints (see
//! [`crate::expected`]).
//!
//! Numbers grow down the page and stay what they are; a row that comes in between later is 7a.

use std::fs;
use std::io;
use std::path::Path;

/// One document's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The name of its file.
    pub file: String,
    /// The title of the document.
    pub title: String,
    /// Its rows, in their order.
    pub rows: Vec<Row>,
}

/// One thing that the document asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, such as 7 or 7a.
    pub number: String,
    /// The line on which it begins.
    pub line: usize,
    /// Whether its box is ticked.
    pub claims: bool,
    /// Its first line, without box and number.
    pub text: String,
    /// What proves it; all of it has to.
    pub checks: Vec<Check>,
}

/// A command and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// For a shell; may have several lines.
    pub command: String,
    /// The lines that it prints.
    pub expected: Vec<String>,
}

impl Page {
    /// How many rows claim to be true.
    #[must_use]
    pub fn claimed(&self) -> usize {
        self.rows.iter().filter(|row| row.claims).count()
    }

    /// The title up to its first dash or bracket: `P0 Database Fixes - Implementation Report` is short for itself.
    #[must_use]
    pub fn short_title(&self) -> &str {
        let ends = [" - ", " -- ", " ("].iter().filter_map(|end| self.title.find(end));
        ends.min().and_then(|end| self.title.get(..end)).unwrap_or(&self.title)
    }
}

/// All pages of a folder in the order of their names, or all that is wrong with them.
///
/// # Errors
/// When the folder cannot be read.
pub fn read_folder(folder: &Path) -> io::Result<Result<Vec<Page>, Vec<String>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // The README tells people how to read the rest.
        if name.ends_with(".md") && name != "README.md" {
            names.push(name);
        }
    }
    names.sort();
    let (mut pages, mut problems) = (Vec::new(), Vec::new());
    for name in names {
        match read(&name, &fs::read_to_string(folder.join(&name))?) {
            Ok(page) => pages.push(page),
            Err(wrong) => problems.extend(wrong),
        }
    }
    Ok(if problems.is_empty() { Ok(pages) } else { Err(problems) })
}

/// Reads a page.
///
/// # Errors
/// Everything that is wrong with it, each as a sentence with file and line.
pub fn read(file: &str, text: &str) -> Result<Page, Vec<String>> {
    let mut reader = Reader { file, rows: Vec::new(), title: None, problems: Vec::new() };
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        match fence(line) {
            Some(kind) => {
                let block = lines.by_ref().take_while(|(_, line)| line.trim() != "```");
                let block: Vec<&str> = block.map(|(_, line)| line).collect();
                reader.block(number, line, kind, &block);
            }
            None => reader.line(number, line),
        }
    }
    let fences = text.lines().filter(|line| line.trim_start().starts_with("```")).count();
    if fences % 2 == 1 {
        reader.problems.push(format!("{file}: a block is not closed: there are {fences} lines with ```"));
    }
    reader.end()
}

/// What kind of block begins on this line.
fn fence(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("```").map(str::trim)
}

struct Reader<'a> {
    file: &'a str,
    title: Option<String>,
    rows: Vec<Row>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, what: &str) {
        self.problems.push(format!("{}:{line}: {what}", self.file));
    }

    fn line(&mut self, number: usize, line: &str) {
        if let Some(title) = line.strip_prefix("# ") {
            if self.title.replace(title.trim().to_owned()).is_some() {
                self.wrong(number, "a page has one title");
            }
        } else if let Some(item) = line.strip_prefix("- [") {
            match row(item, number) {
                Some(row) => self.rows.push(row),
                None => self.wrong(number, "a row begins like this: - [x] **7.** Text"),
            }
        } else if line.trim_start().starts_with("- [") {
            self.wrong(number, "a row is not indented");
        } else if let Some(row) = self.rows.last_mut().filter(|_| line.starts_with("  ")) {
            row.text.push(' ');
            row.text.push_str(line.trim());
        }
    }

    fn block(&mut self, number: usize, first: &str, kind: &str, lines: &[&str]) {
        if kind != "console" {
            return;
        }
        let indent = first.len() - first.trim_start().len();
        if indent == 0 || self.rows.is_empty() {
            self.wrong(number, "this block belongs to no row: indent it under one");
            return;
        }
        let without = lines.iter().map(|line| line.get(indent..).unwrap_or_else(|| line.trim_start()));
        let mut checks: Vec<Check> = Vec::new();
        for line in without {
            match (line.strip_prefix("$ "), line.strip_prefix("> "), checks.last_mut()) {
                (Some(command), _, _) => {
                    checks.push(Check { command: command.to_owned(), expected: Vec::new() });
                }
                (None, Some(more), Some(check)) if check.expected.is_empty() => {
                    check.command.push('\n');
                    check.command.push_str(more);
                }
                (None, _, Some(check)) => check.expected.push(line.to_owned()),
                (None, _, None) => {
                    self.wrong(number, "this block begins with a line that is no command: $ command");
                    return;
                }
            }
        }
        if checks.is_empty() {
            self.wrong(number, "this block is empty");
        }
        if checks.iter().any(|check| check.expected.iter().all(|line| line.trim().is_empty())) {
            self.wrong(number, "a command is followed by what it prints");
        }
        if let Some(row) = self.rows.last_mut() {
            row.checks.extend(checks);
        }
    }

    fn end(mut self) -> Result<Page, Vec<String>> {
        let Some(title) = self.title.take() else {
            self.problems.push(format!("{}: it has no title", self.file));
            return Err(self.problems);
        };
        let mut before = (0, String::new());
        for row in std::mem::take(&mut self.rows).iter().inspect(|row| self.rows.push((*row).clone())) {
            let number = in_order(&row.number);
            if number <= before {
                self.problems.push(format!(
                    "{}:{}: row {} stands behind row {}{}",
                    self.file, row.line, row.number, before.0, before.1
                ));
            }
            before = number;
            let says_not_yet = row.text.contains("**Not yet");
            let problem = match (row.claims, says_not_yet) {
                (true, true) => Some("is ticked and says **Not yet"),
                (true, false) if row.checks.is_empty() => Some("is ticked and has no command that proves it"),
                (false, false) => Some("is not ticked and does not say **Not yet:** and why"),
                _ => None,
            };
            if let Some(problem) = problem {
                self.problems.push(format!("{}:{}: row {} {problem}", self.file, row.line, row.number));
            }
        }
        match self.problems.is_empty() {
            true => Ok(Page { file: self.file.to_owned(), title, rows: self.rows }),
            false => Err(self.problems),
        }
    }
}

/// What stands behind `- [`.
fn row(item: &str, line: usize) -> Option<Row> {
    let (claims, rest) = match item.split_once("] **")? {
        ("x", rest) => (true, rest),
        (" ", rest) => (false, rest),
        _ => return None,
    };
    let (number, text) = rest.split_once(".** ")?;
    let (digits, letter) = split_number(number);
    let is_number = digits.parse::<u32>().is_ok_and(|number| number > 0)
        && (letter.is_empty() || (letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_lowercase())));
    is_number.then(|| Row {
        number: number.to_owned(),
        line,
        claims,
        text: text.trim().to_owned(),
        checks: Vec::new(),
    })
}

fn split_number(number: &str) -> (&str, &str) {
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number.split_at(end)
}

fn in_order(number: &str) -> (u32, String) {
    let (digits, letter) = split_number(number);
    (digits.parse().unwrap_or_default(), letter.to_owned())
}
