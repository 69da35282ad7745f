//! `plimsoll completions` and `plimsoll man`: what shells and `man` want to know of the command line, made from the command line
//! itself.

use crate::{Ended, command_line, show};
use anyhow::{Context, Result};
use clap::Args;
use clap_complete::Shell;
use clap_mangen::Man;
use std::path::{Path, PathBuf};

/// The options of `completions`.
#[derive(Clone, Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The options of `man`.
#[derive(Clone, Debug, Default, Args)]
pub struct Manual {
    /// Write a page for each command into this folder, instead of the command's own to the standard output
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

/// What `completions --help` says below the options.
pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  plimsoll completions bash > /etc/bash_completion.d/plimsoll
  plimsoll completions zsh > /usr/local/share/zsh/site-functions/_plimsoll
  plimsoll completions fish > ~/.config/fish/completions/plimsoll.fish

The package brings all three.
";

/// What `man --help` says below the options.
pub(crate) const MAN_HELP: &str = "\
Examples:
  plimsoll man | man -l -                            read it
  plimsoll man --into /usr/local/share/man/man1      keep it, with a page for each command

The package brings them.
";

/// Prints the script for a shell.
///
/// # Errors
/// None so far.
pub fn completions(options: &Completions) -> Result<Ended> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut command_line(), "plimsoll", &mut script);
    show::print(&String::from_utf8_lossy(&script));
    Ok(Ended::Well)
}

/// Prints the page of the manual, or writes all of them.
///
/// # Errors
/// A page cannot be written.
pub fn manual(options: &Manual) -> Result<Ended> {
    let mut command = command_line();
    command.build();
    match &options.into {
        None => show::print(&page(command)?),
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
            let of_commands: Vec<clap::Command> = command.get_subcommands().cloned().collect();
            write(folder, "plimsoll", command)?;
            for command in of_commands.into_iter().filter(|command| command.get_name() != "help") {
                let name = format!("plimsoll-{}", command.get_name());
                write(folder, &name, command)?;
            }
        }
    }
    Ok(Ended::Well)
}

fn write(folder: &Path, name: &str, command: clap::Command) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command)?).with_context(|| format!("{} cannot be written", path.display()))
}

fn page(command: clap::Command) -> Result<String> {
    let mut page = Vec::new();
    // The first name of a page in `man` is one word.
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    Man::new(command).title(name).render(&mut page).context("the page cannot be made")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
