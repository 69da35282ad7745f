//! How results are written: text for people, JSON for programs; colours on terminals only.

use anyhow::{Context, Result};
use serde::Serialize;
use std::io::Write;

/// Writes to the standard output, with colours where that is a terminal and NO_COLOR says nothing else. A reader that has gone changes nothing.
pub(crate) fn print(text: &str) {
    let _ = write!(anstream::stdout(), "{text}");
}

/// Writes a value as JSON.
///
/// # Errors
/// It cannot be written as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("the result cannot be written as JSON")?;
    print(&format!("{text}\n"));
    Ok(())
}
