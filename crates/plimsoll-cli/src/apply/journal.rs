//! What was planned and what was done, a line of JSON each, on the disk before the next thing is done.
//!
//! The first line is the whole plan. Before anything is sent to the server that changes something, a line says so, and another
//! one when it has been done: a run that was killed at any point tells from its journal what is certain and what is in doubt.
//! No password comes into it, since no statement of `apply` has one; where to connect to is not in it either.

use anyhow::{Context, Result, anyhow, bail, ensure};
use plimsoll_inspect::profiles::Step;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The version of the form of a journal.
const VERSION: u32 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum Line {
    /// What is to be done. It is the first one.
    Plan(Plan),
    /// A run begins, or goes on, in this session of the server.
    Session { at: String, session: Session },
    /// A part of a step is about to be sent.
    Begin { at: String, step: usize, part: usize },
    /// The server said that it is done; or it was found done when a run went on.
    Done { at: String, step: usize, part: usize, found: bool },
    /// All parts of a step are done.
    Applied { at: String, step: usize },
    /// Nothing had to be done: it was so already.
    Already { at: String, step: usize },
    /// Somebody said no.
    Declined { at: String, step: usize },
    /// It was not done, or it is not known whether it was.
    Failed { at: String, step: usize, why: String },
    /// What a new connection shows.
    ReadBack { at: String, step: usize, arrived: bool, shown: String, why: Option<String> },
    /// All steps are behind.
    End { at: String },
}

/// The plan, with what it is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) version: u32,
    pub(super) at: String,
    /// Whether it takes back what another journal tells of.
    pub(super) is_undo: bool,
    /// That journal.
    pub(super) of: Option<String>,
    /// The server's own number, if the role may see it.
    pub(super) system: Option<String>,
    pub(super) database: String,
    pub(super) role: String,
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(system: Option<String>, database: &str, role: &str, steps: Vec<Step>) -> Self {
        Plan {
            version: VERSION,
            at: now(),
            is_undo: false,
            of: None,
            system,
            database: database.to_owned(),
            role: role.to_owned(),
            steps,
        }
    }
}

/// A session of the server, which outlives a client that was killed for as long as its statement runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    pub(super) pid: i32,
    pub(super) started: String,
}

/// How far a step came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The parts that are done.
    pub(super) done: usize,
    /// A part was begun, and nothing tells whether it was done.
    pub(super) in_doubt: bool,
    /// All parts are done.
    pub(super) applied: bool,
    /// Nothing had to be done, or somebody said no.
    pub(super) left_alone: bool,
    /// What was read back, and whether it was what it ought to be.
    pub(super) read_back: Option<bool>,
}

impl Progress {
    /// There is nothing left to do for it.
    pub(super) fn is_over(&self) -> bool {
        self.left_alone || (self.applied && self.read_back.is_some())
    }
}

/// All that a journal tells.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) plan: Plan,
    pub(super) progress: Vec<Progress>,
    pub(super) sessions: Vec<Session>,
    pub(super) has_ended: bool,
}

impl Told {
    fn read(lines: Vec<Line>) -> Result<Self> {
        let mut lines = lines.into_iter();
        let Some(Line::Plan(plan)) = lines.next() else {
            bail!("it does not begin with a plan, so it is no journal of plimsoll apply")
        };
        ensure!(
            plan.version == VERSION,
            "it is of form {}, and this program reads form {VERSION}",
            plan.version
        );
        let progress = vec![Progress::default(); plan.steps.len()];
        let mut told = Told { plan, progress, sessions: Vec::new(), has_ended: false };
        for line in lines {
            told.hear(line)?;
        }
        Ok(told)
    }

    fn of(&mut self, step: usize) -> Result<&mut Progress> {
        self.progress.get_mut(step).with_context(|| format!("it tells of a step {step} that is not planned"))
    }

    fn hear(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Plan(_) => bail!("it has two plans"),
            Line::Session { session, .. } => self.sessions.push(session),
            Line::Begin { step, .. } => self.of(step)?.in_doubt = true,
            Line::Done { step, part, .. } => {
                let of = self.of(step)?;
                (of.in_doubt, of.done) = (false, part + 1);
            }
            Line::Applied { step, .. } => self.of(step)?.applied = true,
            Line::Already { step, .. } | Line::Declined { step, .. } => self.of(step)?.left_alone = true,
            Line::Failed { .. } => {}
            Line::ReadBack { step, arrived, .. } => self.of(step)?.read_back = Some(arrived),
            Line::End { .. } => self.has_ended = true,
        }
        Ok(())
    }
}

/// A journal that is being written. No other process writes it meanwhile.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Begins one with its plan. There must be no such file.
    pub(super) fn create(path: &Path, plan: &Plan) -> Result<Self> {
        let named = || format!("the journal {}", path.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!(
                "{} is there already, and no journal is written over: name another by --journal, or go on with this one by \
                 --resume",
                named()
            ),
            _ => anyhow::Error::from(error).context(format!("{} cannot be begun, so nothing was", named())),
        })?;
        lock(&file).with_context(named)?;
        let mut journal = Journal { file, path: path.to_owned() };
        journal.append(&Line::Plan(plan.clone()))?;
        // The file's name is on the disk too.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).with_context(named)?;
        Ok(journal)
    }

    /// Goes on with one. A last line that was cut off in the middle, by a kill or a full disk, is taken away: what it would have
    /// announced was not begun, and what it would have reported is in doubt.
    pub(super) fn open(path: &Path) -> Result<(Self, Told)> {
        let named = || format!("the journal {}", path.display());
        let mut file = OpenOptions::new().read(true).write(true).open(path).with_context(named)?;
        let (told, whole) = read(&mut file).with_context(named)?;
        file.set_len(whole).with_context(named)?;
        file.seek(SeekFrom::End(0)).with_context(named)?;
        Ok((Journal { file, path: path.to_owned() }, told))
    }

    /// Reads one and changes nothing. No other process writes it as long as the file that is returned is held.
    pub(super) fn look(path: &Path) -> Result<(File, Told)> {
        let named = || format!("the journal {}", path.display());
        let mut file = File::open(path).with_context(named)?;
        let (told, _) = read(&mut file).with_context(named)?;
        Ok((file, told))
    }

    /// Writes a line, and waits until it is on the disk.
    pub(super) fn append(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line).context("a line of the journal")?;
        text.push('\n');
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_data())
            .with_context(|| {
                let path = self.path.display();
                format!("the journal {path} cannot be written, so the run ends here: set that right, and --resume {path} goes on")
            })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What its whole lines tell, and how many bytes they are.
fn read(file: &mut File) -> Result<(Told, u64)> {
    lock(file)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    text.truncate(whole);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate();
    let lines: Result<Vec<Line>> = lines
        .map(|(at, line)| {
            serde_json::from_slice(line).with_context(|| format!("line {} is not one of a journal", at + 1))
        })
        .collect();
    Ok((Told::read(lines?)?, whole as u64))
}

fn lock(file: &File) -> Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive).context(
        "another process works on it: wait until that has ended (or locks cannot be had in this folder)",
    )
}

/// The time, as a journal has it.
pub(super) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Where a journal goes unless an option says otherwise.
pub(super) fn default_path(command: &str, database: &str) -> PathBuf {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let database: String = database.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    let at = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    PathBuf::from(format!("./plimsoll-{command}-{database}-{at}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(folder: &Path) -> (PathBuf, Plan) {
        let (path, plan) = (folder.join("j"), Plan::new(None, "shop", "app", Vec::new()));
        let mut journal = Journal::create(&path, &plan).unwrap();
        journal
            .append(&Line::Session { at: now(), session: Session { pid: 1, started: "x".to_owned() } })
            .unwrap();
        (path, plan)
    }

    #[test]
    fn a_line_that_was_cut_off_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plan) = begun(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for cut in whole.len() - 20..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, told) = Journal::open(&path).unwrap();
            assert_eq!((told.plan, told.sessions.len()), (plan.clone(), 0));
            journal.append(&Line::End { at: now() }).unwrap();
            drop(journal);
            assert!(Journal::open(&path).unwrap().1.has_ended);
        }
    }

    #[test]
    fn one_process_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plan) = begun(folder.path());
        assert!(Journal::create(&path, &plan).is_err());
        let first = Journal::open(&path).unwrap();
        let refused = Journal::open(&path).map(drop).unwrap_err();
        assert!(format!("{refused:#}").contains("another process works on it"), "{refused:#}");
        drop(first);
        assert!(Journal::open(&path).is_ok());
    }

    #[test]
    fn what_is_no_journal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        for (text, told) in [
            ("", "does not begin with a plan"),
            ("{}\n", "line 1 is not one of a journal"),
            ("{\"line\":\"end\",\"at\":\"\"}\n", "does not begin with a plan"),
        ] {
            std::fs::write(&path, text).unwrap();
            let refused = Journal::open(&path).map(drop).unwrap_err();
            assert!(format!("{refused:#}").contains(told), "{refused:#}");
        }
    }
}
