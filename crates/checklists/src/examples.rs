//! The example services that commands of the pages talk to: each is started as someone starts it who has read nothing but its
//! README, on a PostgreSQL of its own, if a command has its variable, and else not.
//!
//! | variable | what it is |
//! |---|---|
//! | `CONTENT_URL`, `EXPLOIT_INTEL_URL`, `SALES_AGENT_URL` | where the example of this name listens |
//! | `CONTENT_LOG`, .. | the file with everything that it logged |
//! | `CONTENT_PID`, .. | its process id |

use crate::process::Process;
use anyhow::{Context, Result};
use std::path::Path;

/// The packages, each of which is a program of the same name.
pub const EXAMPLES: [&str; 3] = ["content", "exploit-intel", "sales-agent"];

/// Examples that run.
#[derive(Default)]
pub struct Examples {
    running: Vec<Process>,
    variables: Vec<(String, String)>,
}

impl Examples {
    /// Starts those of which a command has a variable, from the folder with the workspace's programs, and waits until they are
    /// ready.
    ///
    /// # Errors
    /// When one does not become ready.
    ///
    /// # Cancel safety
    /// Dropped, they are killed.
    pub async fn start(programs: &Path, commands: &[&str]) -> Result<Self> {
        let mut examples = Examples::default();
        for name in needed(commands) {
            let ready = format!("{name} is ready");
            let is_whole = |lines: &[String]| lines.iter().any(|line| line.trim() == ready);
            let variables = [("LISTEN", "127.0.0.1:0")];
            let process = Process::start(&programs.join(name), &variables, is_whole).await?;
            let listens = format!("{name} listens on ");
            let url = process.first_screen().iter().find_map(|line| line.strip_prefix(listens.as_str()));
            let url = url.with_context(|| format!("{name} does not say where it listens"))?.trim().to_owned();
            let (log, pid) = (process.log().display().to_string(), process.id().to_string());
            let stem = stem(name);
            examples.variables.extend(
                [("URL", url), ("LOG", log), ("PID", pid)]
                    .map(|(what, value)| (format!("{stem}_{what}"), value)),
            );
            examples.running.push(process);
        }
        Ok(examples)
    }

    /// What the commands are handed.
    #[must_use]
    pub fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Stops them as Ctrl-C would.
    ///
    /// # Errors
    /// When one did not end well.
    pub async fn stop(self) -> Result<()> {
        for process in self.running {
            process.stop().await?;
        }
        Ok(())
    }
}

/// The examples of which a command has a variable: `$CONTENT_URL`, `${CONTENT_URL}`.
#[must_use]
pub fn needed(commands: &[&str]) -> Vec<&'static str> {
    let is_in = |command: &str, name: &str| {
        let stem = stem(name);
        ["URL", "LOG", "PID"].iter().any(|what| {
            [format!("${stem}_{what}"), format!("${{{stem}_{what}}}")]
                .iter()
                .any(|text| command.contains(text))
        })
    };
    EXAMPLES.into_iter().filter(|name| commands.iter().any(|command| is_in(command, name))).collect()
}

/// How the variables of an example begin.
fn stem(name: &str) -> String {
    name.to_ascii_uppercase().replace('-', "_")
}
