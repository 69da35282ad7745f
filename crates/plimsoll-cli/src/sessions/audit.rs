//! What was done, as a line in a file: who, when, to whom, why, and what came of it.

use anyhow::{Context, Result};
use plimsoll_inspect::sessions::Session;
use serde::Serialize;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// A file that lines are added to. It is opened before anything is stopped, so that nothing is stopped unrecorded.
#[derive(Debug)]
pub(crate) struct Audit(Option<File>);

#[derive(Debug, Serialize)]
struct Line<'a> {
    at: String,
    by: &'a str,
    action: &'a str,
    pid: i32,
    user: Option<&'a str>,
    application: &'a str,
    database: Option<&'a str>,
    why: &'a str,
    loss: &'a str,
    result: &'a str,
}

impl Audit {
    pub(crate) fn open(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Audit(None)) };
        let opened = OpenOptions::new().create(true).append(true).open(file);
        opened
            .map(|file| Audit(Some(file)))
            .with_context(|| format!("{} cannot be written: nothing was stopped", file.display()))
    }

    pub(crate) fn add(
        &mut self,
        session: &Session,
        action: &str,
        why: &str,
        loss: &str,
        result: &str,
    ) -> Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let by = std::env::var("SUDO_USER")
            .or_else(|_| std::env::var("USER"))
            .unwrap_or_else(|_| "unknown".to_owned());
        let line = Line {
            at: jiff::Timestamp::now().to_string(),
            by: &by,
            action,
            pid: session.pid,
            user: session.user.as_deref(),
            application: &session.application_name,
            database: session.database.as_deref(),
            why,
            loss,
            result,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_data())
            .context("the audit file cannot be written any more")
    }
}
