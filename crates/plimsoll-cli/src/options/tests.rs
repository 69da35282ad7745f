//! All commands, held to one way of saying the same thing.

use super::TableName;
use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::time::Duration;

/// They ask no server.
const ASK_NO_SERVER: [&str; 5] = ["demo", "explain", "completions", "man", "load http"];

/// They change nothing that stays, and ask only where others work: nothing is shown first.
const ASK_IN_DOUBT: [&str; 3] = ["load http", "load sql", "load pool-size"];

/// What they print is no data: a screen, a script, a page, what another program says, or what has been done just now.
const PRINT_NO_DATA: [&str; 6] = ["demo", "completions", "man", "migrate apply", "migrate lint", "report"];

/// Every command that does something, with the words that call it.
fn commands() -> Vec<(String, Command)> {
    let mut root = crate::command_line();
    root.build();
    let mut all = Vec::new();
    let mut left: Vec<(String, Command)> = below(String::new(), &root);
    while let Some((path, command)) = left.pop() {
        if command.has_subcommands() {
            left.extend(below(path, &command));
        } else {
            all.push((path, command));
        }
    }
    assert!(all.len() > 20, "only {} commands were found", all.len());
    all
}

fn below(path: String, command: &Command) -> Vec<(String, Command)> {
    let named = |sub: &Command| (format!("{path} {}", sub.get_name()).trim().to_owned(), sub.clone());
    command.get_subcommands().filter(|sub| sub.get_name() != "help").map(named).collect()
}

/// What an option does in general; what follows is about one command.
fn gist(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    help.split(';').next().unwrap_or_default().to_owned()
}

fn of_type<T: 'static>(parser: &ValueParser) -> bool {
    parser.type_id() == TypeId::of::<T>()
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().into_iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn the_same_name_means_the_same_everywhere() {
    let mut seen: BTreeMap<String, (String, Arg)> = BTreeMap::new();
    for (path, command) in commands() {
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            let Some((first, same)) = seen.get(long) else {
                seen.insert(long.to_owned(), (path.clone(), arg.clone()));
                continue;
            };
            let pair = format!("--{long} of `{first}` and of `{path}`");
            assert_eq!(gist(arg), gist(same), "{pair}");
            assert_eq!(value_name(arg), value_name(same), "{pair}");
            assert_eq!(arg.get_short(), same.get_short(), "{pair}");
            assert!(
                arg.get_value_parser().type_id() == same.get_value_parser().type_id(),
                "{pair} are of one type"
            );
        }
    }
    assert!(seen.len() > 60, "only {} options were found", seen.len());
}

#[test]
fn every_time_has_its_unit() {
    let mut times = 0;
    for (path, command) in commands() {
        for arg in command.get_arguments() {
            let is_time = of_type::<Duration>(arg.get_value_parser());
            assert_eq!(is_time, value_name(arg) == "TIME", "{path} {:?}", arg.get_id());
            let Some(long) = arg.get_long().filter(|_| is_time) else { continue };
            let words = ["plimsoll"].into_iter().map(str::to_owned).chain(path.split(' ').map(str::to_owned));
            let words = words.chain([format!("--{long}=5")]);
            let error = crate::command_line().try_get_matches_from(words).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ValueValidation, "{path} --{long}: {error}");
            assert!(error.to_string().contains("write it with its unit"), "{error}");
            times += 1;
        }
    }
    assert!(times > 15, "only {times} times were found");
}

#[test]
fn every_table_is_named_as_in_sql() {
    let mut tables = 0;
    for (path, command) in commands() {
        for arg in command.get_arguments() {
            let is_table = of_type::<TableName>(arg.get_value_parser());
            assert_eq!(is_table, value_name(arg) == "TABLE", "{path} {:?}", arg.get_id());
            assert!(!is_table || arg.get_long() == Some("table"), "{path} {:?}", arg.get_id());
            tables += usize::from(is_table);
        }
    }
    assert!(tables >= 4, "only {tables} were found");
}

#[test]
fn every_command_that_connects_takes_the_server_as_psql_does() {
    for (path, command) in commands() {
        let database = command.get_arguments().find(|arg| arg.get_long() == Some("database"));
        if ASK_NO_SERVER.contains(&path.as_str()) {
            assert!(database.is_none(), "{path}");
            continue;
        }
        let database = database.unwrap_or_else(|| panic!("{path} has no --database"));
        assert_eq!(database.get_short(), Some('d'), "{path}");
        let places =
            command.get_positionals().filter(|arg| value_name(arg).split('|').any(|name| name == "URL"));
        assert_eq!(places.count(), 1, "{path} takes a URL as an argument");
        assert!(command.get_arguments().any(|arg| arg.get_long() == Some("connect-timeout")), "{path}");
    }
}

#[test]
fn every_command_that_prints_data_prints_it_in_three_forms() {
    for (path, command) in commands() {
        let has = |long| command.get_arguments().any(|arg| arg.get_long() == Some(long));
        let prints_data = !PRINT_NO_DATA.contains(&path.as_str());
        assert_eq!((has("format"), has("json")), (prints_data, prints_data), "{path}");
    }
}

#[test]
fn what_changes_something_is_shown_first_in_every_command() {
    let mut changing = Vec::new();
    for (path, command) in commands() {
        let has = |long: &&str| command.get_arguments().any(|arg| arg.get_long() == Some(*long));
        let said = ["run", "yes", "dry-run"].iter().filter(|long| has(long)).count();
        if ASK_IN_DOUBT.contains(&path.as_str()) {
            assert!(said == 1 && has(&"yes"), "{path}");
            continue;
        }
        assert!(said == 0 || said == 3, "{path} has {said} of --run, --yes and --dry-run");
        if said == 3 {
            changing.push(path);
        }
    }
    changing.sort();
    assert_eq!(changing, ["apply", "cancel", "chaos", "migrate apply", "terminate"]);
}
