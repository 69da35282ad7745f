//! The commands of the guide, and what it says that they print.

use crate::command::{Run, program, runs};
use std::path::{Path, PathBuf};

/// What a playbook is played with.
pub(super) struct Scene<'a> {
    /// Where the commands connect to that name no server.
    pub(super) url: &'a str,
    /// Names of the guide, and what is there in their place. Each stands in one of the commands.
    pub(super) places: &'a [(&'a str, &'a str)],
    /// Where the commands are run.
    pub(super) folder: PathBuf,
}

/// A command, and the lines that it prints.
#[derive(Debug)]
pub(super) struct Step {
    command: String,
    output: Vec<String>,
}

/// The blocks of this part of the guide, each with its kind.
fn blocks(heading: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/on-call.md");
    let text = std::fs::read_to_string(path).unwrap();
    let begin = format!("\n## {heading}\n");
    let part = text.split_once(&begin).unwrap_or_else(|| panic!("there is no part {heading:?}")).1;
    let part = part.split("\n## ").next().unwrap();
    let blocks = part.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap());
    blocks.map(|(kind, content)| (kind.to_owned(), content.to_owned())).collect()
}

/// What is said there of a process, a line each.
pub(super) fn lines_with_pid(heading: &str) -> Vec<String> {
    let blocks =
        blocks(heading).into_iter().filter(|(kind, content)| kind == "sh" && content.contains("<pid>"));
    blocks.flat_map(|(_, content)| content.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The commands of this part of the guide, in their order.
pub(super) fn steps(heading: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (kind, content) in blocks(heading) {
        match kind.as_str() {
            "sh" if !content.contains("<pid>") => {
                steps.push(Step { command: content.trim().to_owned(), output: Vec::new() });
            }
            "output" => {
                let step = steps.last_mut().expect("an output is that of a command");
                step.output = content.lines().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    steps
}

impl Scene<'_> {
    /// Runs a step, whatever it prints.
    pub(super) async fn runs_alone(&self, step: &Step) -> Run {
        let mut command = step.command.clone();
        for (said, here) in self.places {
            command = command.replace(said, here);
        }
        let mut shell = program("/bin/sh", &["-c", &command]);
        let folder = Path::new(env!("CARGO_BIN_EXE_plimsoll")).parent().unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        shell.env("PATH", path).env("DATABASE_URL", self.url).current_dir(&self.folder);
        runs(shell).await
    }

    /// Runs a step, and holds what it prints against the guide.
    async fn play(&self, step: &Step) -> Run {
        let (command, run) = (&step.command, self.runs_alone(step).await);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let printed = words(&format!("{}\n{}", run.out, run.error));
        for line in &step.output {
            for part in line.split('…').map(words).filter(|part| !part.is_empty()) {
                assert!(printed.contains(&part), "`{command}` prints no {part:?}:\n{}{}", run.out, run.error);
            }
        }
        run
    }

    /// Plays all of it, and looks that every name of the scene stands in the guide.
    pub(super) async fn plays(&self, heading: &str, expected: usize) -> Vec<Run> {
        let steps = steps(heading);
        assert_eq!(steps.len(), expected, "{heading} has other commands than its test: {steps:#?}");
        for (said, _) in self.places {
            assert!(steps.iter().any(|step| step.command.contains(said)), "{said:?} is in no command");
        }
        let mut runs = Vec::new();
        for step in &steps {
            runs.push(self.play(step).await);
        }
        runs
    }
}

/// An empty folder.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}
