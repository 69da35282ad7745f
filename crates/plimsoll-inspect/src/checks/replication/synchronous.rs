//! R03: the standbys that commits wait for are there.

use crate::answer::Unreadable;
use crate::checks::check::{Answers, Check, Thresholds};
use crate::checks::finding::{Effect, Finding, State};
use crate::checks::role_settings::{self, ROLE_SETTINGS};
use crate::checks::server_settings::{SERVER_SETTINGS, ServerSettings};
use crate::checks::subject::Subject;

const SETTING: &str = "synchronous_standby_names";

pub(super) const R03: Check = Check {
    id: "R03",
    title: "The standbys that commits wait for are connected",
    why: "a commit that waits for a synchronous standby waits without any limit, and no timeout of the \
     server ends it",
    ask: &[ROLE_SETTINGS, SERVER_SETTINGS, include_str!("synchronous.sql")],
    needs_monitor: true,
    needs_primary: true,
    read,
    ..Check::USUAL
};

fn read(answers: &Answers<'_>, subject: &Subject, _: &Thresholds) -> Result<Vec<Finding>, Unreadable> {
    let server = ServerSettings::read(answers)?;
    let Some(setting) = server.get(SETTING) else {
        return Ok(vec![Finding::skipped("server", format!("{SETTING} is hidden"))]);
    };
    let needed = needed(&setting.value);
    let (mut there, mut connected, mut names) = (0, 0, String::new());
    for row in answers.rows().filter(|row| row.has("commits_wait_for")) {
        there = row.number("synchronous")?.unwrap_or_default();
        connected = row.number::<u32>("connected")?.unwrap_or_default();
        names = row.text("names")?.unwrap_or_default().to_owned();
    }
    if there >= needed {
        return Ok(Vec::new());
    }
    let settings = role_settings::read(answers)?;
    let commits = settings.get("synchronous_commit").and_then(|commit| commit.text.as_deref());
    // The role's own commits do not wait; those of others do.
    let waits = !matches!(commits, Some("off" | "false" | "no" | "0" | "local"));
    let state = if waits { State::Crit } else { State::Info };
    let others = match connected {
        0 => "no standby is connected".to_owned(),
        _ => format!("all that are connected are {names}"),
    };
    let value = format!(
        "{SETTING} is {:?}: a commit waits for {needed} of these, and {there} of them are connected ({others}); \
         {} has synchronous_commit {}",
        setting.value,
        subject.the_role(),
        commits.unwrap_or("not known")
    );
    Ok(vec![
        Finding::new(state, "server", value)
            .source("pg_stat_replication.sync_state")
            .threshold(format!("{needed} synchronous standbys that stream"))
            .remedy(setting.set("''", Effect::Reload)),
    ])
}

/// How many standbys a commit waits for: `ANY 2 (a, b, c)`, `FIRST 2 (a, b)`, `2 (a, b)`, `a, b`, or none.
fn needed(names: &str) -> u32 {
    let names = names.trim();
    if names.is_empty() {
        return 0;
    }
    let Some((head, _)) = names.split_once('(') else { return 1 };
    let mut words = head.split_whitespace();
    words.next_back().and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn the_number_of_standbys_is_read_in_each_form() {
        for (names, number) in [
            ("", 0),
            ("  ", 0),
            ("*", 1),
            ("a, b", 1),
            ("2 (a, b, c)", 2),
            ("FIRST 3 (a, b, c)", 3),
            ("any 2(a,\"b (c)\")", 2),
            ("ANY 2 (*)", 2),
        ] {
            assert_eq!(needed(names), number, "{names}");
        }
    }
}
