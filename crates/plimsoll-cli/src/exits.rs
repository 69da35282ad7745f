//! What the exit status of each command means: one table, for `plimsoll --help`, the pages of the manual and the operators' guide.

use std::fmt::Write;

/// What a command means by 0, 1 and 2; empty where it never ends so. 3 and 130 mean the same for all.
#[derive(Clone, Copy, Debug)]
struct Exits {
    command: &'static str,
    well: &'static str,
    warned: &'static str,
    badly: &'static str,
}

const fn exits(
    command: &'static str,
    well: &'static str,
    warned: &'static str,
    badly: &'static str,
) -> Exits {
    Exits { command, well, warned, badly }
}

/// What each status means for all commands.
const ALL: [(u8, &str); 5] = [
    (0, "all is well, or was done"),
    (1, "something wants attention, or is left to do"),
    (2, "something is wrong now, failed, or was not allowed"),
    (
        3,
        "it could not be found out, or not all of it: no connection, a wrong option, a right that is missing to look",
    ),
    (130, "it was interrupted (Ctrl-C)"),
];

/// By the names of the commands.
const EXITS: &[Exits] = &[
    exits(
        "apply",
        "all is so, or was done and read back",
        "something is left to do, or to be done by hand",
        "a step failed, was not allowed, or its value did not arrive",
    ),
    exits("bloat", "little is waste", "so much is waste that it is worth a rebuild", "far too much is waste"),
    exits("blocking", "no session waits for a lock", "one waits; with --watch, some have waited", ""),
    exits("cancel", "shown; with --run, stopped", "", "a statement goes on all the same"),
    exits("chaos", "shown; with --run, every promise was held", "", "a promise was broken"),
    exits("completions", "written", "", ""),
    exits("demo", "the guarded side kept what it promises", "", "it did not"),
    exits(
        "doctor",
        "nothing wants attention",
        "something will make trouble (warn)",
        "something makes trouble, or will at the next fault (crit)",
    ),
    exits("explain", "explained", "", ""),
    exits(
        "indexes",
        "each is valid and of use",
        "one is not valid, is covered by another, or is never used",
        "",
    ),
    exits(
        "integrity",
        "nothing that was looked at breaks a promise",
        "a promise was never validated",
        "rows break a promise",
    ),
    exits(
        "load",
        "measured",
        "worse than the baseline, or more calls than --allow ended otherwise than well",
        "no call was answered",
    ),
    exits("long", "listed, whatever there is", "", ""),
    exits("man", "written", "", ""),
    exits(
        "migrate",
        "nothing is pending, or what was is applied",
        "files are pending, or were not agreed to; squawk warns",
        "a file failed, has changed since, was begun and not finished, or is refused",
    ),
    exits(
        "report",
        "nothing on the page wants attention",
        "something will make trouble (warn)",
        "something makes trouble, or will at the next fault (crit)",
    ),
    exits("sizes", "listed", "", ""),
    exits("statements", "listed", "", ""),
    exits("terminate", "shown; with --run, ended", "", "a session goes on all the same"),
    exits(
        "timeouts",
        "each limit lies inside the one around it",
        "a limit that is needed is off",
        "a limit is not shorter than the one around it",
    ),
    exits("top", "left by its key, or printed once", "", ""),
    exits("vacuum", "autovacuum keeps up", "it needs something: a remedy is told", ""),
];

/// What `plimsoll --help` says.
pub(crate) fn help() -> String {
    let mut text =
        "Exit status, of every command (plimsoll COMMAND --help tells what it means there):\n".to_owned();
    for (status, meaning) in ALL {
        let _ = writeln!(text, "  {status:<4} {meaning}");
    }
    text.push_str("Nagios and its kin read 0 to 3 as ok, warning, critical and unknown.");
    text
}

/// What the help of one command says; nothing of a command that is not in the table.
fn help_of(command: &str) -> Option<String> {
    let exits = EXITS.iter().find(|exits| exits.command == command)?;
    let own = [(0, exits.well), (1, exits.warned), (2, exits.badly)];
    let own = own.into_iter().filter(|(_, meaning)| !meaning.is_empty());
    let mut text = "Exit status:\n".to_owned();
    for (status, meaning) in own.chain(ALL.into_iter().filter(|(status, _)| *status > 2)) {
        let _ = writeln!(text, "  {status:<4} {meaning}");
    }
    Some(text)
}

/// The command with its statuses at the end of its help, unless that tells of them in words of its own.
pub(crate) fn told(command: clap::Command) -> clap::Command {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    match help_of(command.get_name()) {
        Some(statuses) if !help.contains("Exit status") => {
            let help = help.trim_end();
            let gap = if help.is_empty() { "" } else { "\n\n" };
            command.after_help(format!("{help}{gap}{statuses}"))
        }
        _ => command,
    }
}

/// What the operators' guide says.
#[cfg(test)]
fn page() -> String {
    let mut text = "| status | of every command |\n|---|---|\n".to_owned();
    for (status, meaning) in ALL {
        let _ = writeln!(text, "| {status} | {meaning} |");
    }
    text.push_str("\n| command | 0 | 1 | 2 |\n|---|---|---|---|\n");
    for Exits { command, well, warned, badly } in EXITS {
        let _ = writeln!(text, "| {command} | {well} | {warned} | {badly} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const BEGIN: &str = "<!-- exit statuses: written by the tests with PLIMSOLL_BLESS=1 -->\n";
    const END: &str = "<!-- end of exit statuses -->\n";

    #[test]
    fn every_command_says_what_its_statuses_mean() {
        let command = crate::command_line();
        let commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        for name in commands.iter().filter(|name| **name != "help") {
            let told = help_of(name).unwrap_or_else(|| panic!("{name} has no row in EXITS"));
            let sub = command.find_subcommand(name).unwrap();
            let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            let says_more =
                ["0  ", "1  ", "2  ", "3  "].iter().all(|status| help.contains(&format!("\n  {status}")));
            assert!(help.contains(&told) || says_more, "{name} --help does not say it: {help}");
        }
        for exits in EXITS {
            assert!(commands.contains(&exits.command), "there is no command {}", exits.command);
        }
        let help = command.get_after_help().unwrap().to_string();
        assert!(help.contains(&super::help()), "{help}");
    }

    #[test]
    fn the_guide_has_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/operators.md");
        let guide = std::fs::read_to_string(&path).unwrap();
        let (before, rest) = guide.split_once(BEGIN).expect("the guide has a place for it");
        let (there, after) = rest.split_once(END).expect("the place ends");
        if std::env::var_os("PLIMSOLL_BLESS").is_some() {
            std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", page())).unwrap();
        } else {
            assert_eq!(there, page(), "PLIMSOLL_BLESS=1 writes the table");
        }
    }
}
