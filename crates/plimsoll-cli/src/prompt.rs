//! Asks the person at the terminal.

use anyhow::{Context, Result};
use std::io::{IsTerminal, Write};
use tokio::sync::oneshot;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Yes,
    No,
    /// Yes to this and to all that follow; what has no inverse is asked again.
    All,
    /// No to this and to all that follow.
    Quit,
}

/// Whether there is a terminal to ask at.
pub(crate) fn is_there() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks until the answer is one that can be understood. The end of the input is a no to all.
pub(crate) async fn ask(question: &str, with_all: bool) -> Result<Said> {
    let choices = if with_all { "[y]es, [n]o, [a]ll, [q]uit" } else { "[y]es, [n]o, [q]uit" };
    loop {
        let _ = write!(std::io::stderr(), "{question} {choices}: ");
        let _ = std::io::stderr().flush();
        let line = line().await?;
        let Some(line) = line else { return Ok(Said::Quit) };
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(Said::Yes),
            "n" | "no" => return Ok(Said::No),
            "a" | "all" if with_all => return Ok(Said::All),
            "q" | "quit" => return Ok(Said::Quit),
            _ => {}
        }
    }
}

/// A line of the input. A thread of its own waits for it, which an end of the program does not wait for.
pub(crate) async fn line() -> Result<Option<String>> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line).map(|count| (count > 0).then_some(line));
        // No task waits for it any more if the program is about to end.
        let _ = tell.send(read);
    });
    told.await.context("the answer was not read")?.context("the answer cannot be read")
}
