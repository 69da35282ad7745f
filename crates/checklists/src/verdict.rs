//! What became of each row, and of each page.

use crate::expected::is_as_expected;
use crate::page::{Check, Page, Row};

/// How one command went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The command and what it should have printed.
    pub check: Check,
    /// What it printed.
    pub output: String,
}

impl Outcome {
    /// Whether it printed what it should have.
    #[must_use]
    pub fn is_good(&self) -> bool {
        is_as_expected(&self.check.expected, &self.output)
    }
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It claims to be true, and is.
    Done,
    /// It claims to be true, and is not.
    Broken,
    /// It claims nothing.
    NotYet,
    /// It claims nothing, but its command prints what it should: the box may be ticked.
    CameTrue,
}

/// What became of a row whose commands went like this.
#[must_use]
pub fn of_row(row: &Row, outcomes: &[Outcome]) -> Verdict {
    let is_proved = !outcomes.is_empty() && outcomes.iter().all(Outcome::is_good);
    match (row.claims, is_proved) {
        (true, true) => Verdict::Done,
        (true, false) => Verdict::Broken,
        (false, true) => Verdict::CameTrue,
        (false, false) => Verdict::NotYet,
    }
}

/// A page after a run: what became of its rows, in their order.
#[derive(Clone, Debug)]
pub struct Report {
    /// The page.
    pub page: Page,
    /// The outcomes of each row's commands.
    pub outcomes: Vec<Vec<Outcome>>,
}

impl Report {
    fn rows(&self) -> impl Iterator<Item = (&Row, &[Outcome], Verdict)> {
        self.page
            .rows
            .iter()
            .zip(&self.outcomes)
            .map(|(row, outcomes)| (row, outcomes.as_slice(), of_row(row, outcomes)))
    }

    /// `P0 Database Fixes 31/58`.
    #[must_use]
    pub fn line(&self) -> String {
        let done = self.rows().filter(|(_, _, verdict)| *verdict == Verdict::Done).count();
        format!("{} {done}/{}", self.page.short_title(), self.page.rows.len())
    }

    /// Each row that claims what is not so: what it says, what was run, what should have come of it, and what did.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let broken = self.rows().filter(|(_, _, verdict)| *verdict == Verdict::Broken);
        broken.map(|(row, outcomes, _)| self.place(row) + &told(outcomes)).collect()
    }

    /// Each row that says "not yet" and need not any more.
    #[must_use]
    pub fn came_true(&self) -> Vec<String> {
        let come = self.rows().filter(|(_, _, verdict)| *verdict == Verdict::CameTrue);
        come.map(|(row, _, _)| self.place(row)).collect()
    }

    fn place(&self, row: &Row) -> String {
        format!("docs/checklists/{}:{} row {}: {}", self.page.file, row.line, row.number, row.text)
    }
}

fn told(outcomes: &[Outcome]) -> String {
    let bad = outcomes.iter().filter(|outcome| !outcome.is_good());
    bad.map(|Outcome { check: Check { command, expected }, output }| {
        let block = |title: &str, text: &str| {
            let lines: String = text.trim_end().lines().map(|line| format!("\n      {line}")).collect();
            format!("\n    {title}:{lines}")
        };
        block("command", command) + &block("expected", &expected.join("\n")) + &block("printed", output)
    })
    .collect()
}
