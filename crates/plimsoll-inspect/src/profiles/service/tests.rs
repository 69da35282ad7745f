//! The rule on every combination of what can be said for a setting at each level, and of what the role that asks may do.

use super::*;
use crate::checks::Subject;
use crate::checks::role_settings::RoleSetting;
use crate::profiles::situation::{Rights, Statements};

type Said = BTreeMap<(Level, String), String>;

const LEVELS: [Level; 4] = [Level::Server, Level::Database, Level::Role, Level::RoleInDatabase];

/// What a new session of the role has, and where it comes from.
fn effective(said: &Said, name: &str, default: &str) -> (String, &'static str) {
    let sources = ["server", "database", "role", "role in database"];
    let strongest = LEVELS.iter().zip(sources).rev();
    strongest
        .filter_map(|(level, source)| Some((said.get(&(*level, name.to_owned()))?.clone(), source)))
        .next()
        .unwrap_or_else(|| (default.to_owned(), "default"))
}

fn default_of(name: &str) -> &'static str {
    match name {
        "log_min_duration_statement" => "-1",
        "log_lock_waits" => "off",
        "deadlock_timeout" => "1s",
        _ => "0",
    }
}

fn situation(said: &Said, rights: Rights) -> Situation {
    let setting = |name: &str| {
        let (text, source) = effective(said, name, default_of(name));
        let unit = (name != "log_lock_waits").then(|| "ms".to_owned());
        let is_of_server = source == "server" || source == "default";
        RoleSetting { name: name.to_owned(), text: Some(text), source: source.to_owned(), unit, is_of_server }
    };
    let names = SERVICE.iter().map(|guard| guard.name);
    Situation {
        subject: Subject {
            version: 150_000,
            database: "shop".to_owned(),
            login: "me".to_owned(),
            role: "app".to_owned(),
            ..Subject::default()
        },
        settings: names.clone().map(|name| (name.to_owned(), setting(name))).collect(),
        contexts: names
            .map(|name| {
                let is_for_all = !name.starts_with("log_") && name != "deadlock_timeout";
                (name.to_owned(), if is_for_all { "user" } else { "superuser" }.to_owned())
            })
            .collect(),
        said: said.clone(),
        rights,
        may_set: BTreeMap::new(),
        statements: Statements { loaded: true, installed: Some("1.10".to_owned()), ..Statements::default() },
    }
}

/// Does to what is said what the server would do.
fn run(said: &mut Said, statement: &str) {
    if statement == RELOAD {
        return;
    }
    let level = match statement {
        text if text.starts_with("ALTER SYSTEM ") => Level::Server,
        text if text.starts_with("ALTER DATABASE \"shop\" ") => Level::Database,
        text if text.starts_with("ALTER ROLE \"app\" IN DATABASE \"shop\" ") => Level::RoleInDatabase,
        text => panic!("{text}"),
    };
    if let Some((_, name)) = statement.split_once(" RESET ") {
        said.remove(&(level, name.to_owned()));
        return;
    }
    let (name, value) = statement.split_once(" SET ").unwrap().1.split_once(" = ").unwrap();
    said.insert((level, name.to_owned()), value.trim_matches('\'').to_owned());
}

fn all_rights() -> Vec<Rights> {
    let superuser = Rights { all: true, database: true, reload: true, read_files: true, ..Rights::default() };
    let owner = Rights { database: true, database_owner: "owner".to_owned(), ..Rights::default() };
    vec![
        Rights { alter_system_is_off: true, ..superuser.clone() },
        superuser,
        Rights { make_roles: true, ..owner.clone() },
        owner,
        Rights { role_is_me: true, ..Rights::default() },
        Rights::default(),
    ]
}

/// All that can be said for one setting: nothing, what is wanted, or something else, at each level.
fn all_said(guard: &Guard) -> Vec<Said> {
    let other = if guard.name == "log_lock_waits" { "off" } else { "7s" };
    let values = [None, Some(guard.value), Some(other)];
    let mut all = vec![Said::new()];
    for level in LEVELS {
        let more = all.iter().flat_map(|said| {
            values.map(|value| {
                let mut said = said.clone();
                if let Some(value) = value {
                    said.insert((level, guard.name.to_owned()), value.to_owned());
                }
                said
            })
        });
        all = more.collect();
    }
    all
}

#[test]
fn whatever_is_said_where_the_steps_lead_to_the_profile_and_back() {
    let (mut plans, mut changed) = (0, 0);
    for guard in SERVICE {
        for before in all_said(guard) {
            for rights in all_rights() {
                let is_super = rights.all;
                let planned = plan(&situation(&before, rights), &wanted(&[]));
                let steps: Vec<&Step> = planned
                    .iter()
                    .filter_map(|one| match one {
                        Planned::Step(step) => Some(&**step),
                        _ => None,
                    })
                    .collect();
                let mut said = before.clone();
                for step in &steps {
                    step.run.iter().for_each(|statement| run(&mut said, statement));
                    if let (Reading::Setting { name, value, .. }, None) = (&step.reading, &step.note) {
                        let (shown, _) = effective(&said, name, default_of(name));
                        assert!(
                            is_same(&shown, value, Some("ms")) || shown == *value,
                            "{before:?} {step:#?}"
                        );
                    }
                }
                let missing = planned.iter().filter(|one| matches!(one, Planned::Missing { .. })).count();
                assert!(!is_super || missing == 0, "a superuser may do all: {planned:#?}");
                // Taken back, last first; what a session has on the way is what the inverse expects.
                for step in steps.iter().rev() {
                    let inverse = step.inverse().expect("it has one");
                    inverse.run.iter().for_each(|statement| run(&mut said, statement));
                    if let (Reading::Setting { name, value, .. }, None) = (&inverse.reading, &step.note) {
                        let (shown, _) = effective(&said, name, default_of(name));
                        assert!(
                            is_same(&shown, value, Some("ms")) || shown == *value,
                            "{before:?} {inverse:#?}"
                        );
                    }
                }
                assert_eq!(said, before, "{steps:#?}");
                plans += 1;
                changed += steps.len();
            }
        }
    }
    assert!(plans > 2_000 && changed > plans, "{plans} plans, {changed} steps");
}

#[test]
fn where_alter_system_is_off_the_database_is_told_or_the_file() {
    let off = Rights { all: true, database: true, alter_system_is_off: true, ..Rights::default() };
    let planned = plan(&situation(&Said::new(), off.clone()), &wanted(&[]));
    assert!(
        planned
            .iter()
            .any(|one| matches!(one, Planned::Step(step) if step.what == "log_lock_waits, database shop"))
    );
    let planned = plan(&situation(&Said::new(), Rights { all: false, ..off }), &wanted(&[]));
    let is_told =
        |one: &Planned| matches!(one, Planned::Advice { text, .. } if text.contains("log_lock_waits = on"));
    assert!(planned.iter().any(is_told), "{planned:#?}");
}

#[test]
fn another_value_is_wanted_wherever_the_profile_has_one() {
    let said = [("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "9s"), ("work_mem", "8MB")];
    let all = wanted(&said.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let of = |name: &str| {
        let found = all.iter().filter(move |wanted| wanted.name == name);
        found.map(|wanted| (wanted.level, wanted.value.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(of("lock_timeout"), [(Level::Database, "3s")]);
    let idle = [(Level::Database, "9s"), (Level::RoleInDatabase, "9s")];
    assert_eq!(of("idle_in_transaction_session_timeout"), idle);
    assert_eq!(of("work_mem"), [(Level::RoleInDatabase, "8MB")]);
}
