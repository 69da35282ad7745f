//! The statements as text: a line of numbers for each, and its text below.

use super::{Found, Shown, What};
use crate::columns::{columns, counted, lines, short};
use crate::sessions::printable;
use crate::show::wrap::WIDTH;
use plimsoll_inspect::span::rough;
use plimsoll_inspect::statements::history::Growth;
use plimsoll_inspect::statements::{Order, TopStatements};
use std::fmt::Write;
use std::time::Duration;

pub(super) fn text(found: &Found) -> String {
    if let Some(gap) = &found.gap {
        return lines(&format!("Nothing is collected: {}.", gap.how), 0);
    }
    let order = match found.by {
        Order::Total => "by the time of all calls",
        Order::Mean => "by the mean time of a call",
        Order::Io => "by what they read and wrote",
        Order::Temp => "by temporary files",
    };
    let calls = match found.more_than_calls {
        0 => String::new(),
        least => format!(", called more than {}", counted(least, "time", "times")),
    };
    match &found.what {
        What::Nothing => String::new(),
        What::FirstLook { unreadable_lines } => {
            let mut text = lines(
                "This is the first look at this database in the file: there is nothing yet to compare it with. It was kept.",
                0,
            );
            text.push_str(&unreadable(*unreadable_lines));
            text
        }
        What::SinceReset(top) => {
            let over = top
                .collected_for
                .map_or(String::new(), |time| format!(", over {} since the counters began", rough(time)));
            let shown: Vec<Shown<'_>> = top.statements.iter().map(Shown::from).collect();
            let mut text = lines(&format!("The top statements {order}{calls}{over}"), 0);
            text.push_str(&table(&shown));
            text.push_str(&of_counters(top));
            text.push_str(&ours(top.left_out));
            text
        }
        What::SinceLook { growth, hidden, left_out, unreadable_lines, statements } => {
            let time = Duration::try_from_secs_f64(growth.seconds).unwrap_or_default();
            let shown: Vec<Shown<'_>> = statements.iter().map(Shown::from).collect();
            let mut text = lines(
                &format!(
                    "The top statements {order}{calls}, over {} since {} ({})",
                    rough(time),
                    growth.from,
                    counted(growth.looks, "look", "looks")
                ),
                0,
            );
            text.push_str(&table(&shown));
            text.push_str(&of_growth(growth));
            text.push_str(&unreadable(*unreadable_lines));
            text.push_str(&not_followed(*hidden));
            text.push_str(&ours(*left_out));
            text
        }
    }
}

fn table(shown: &[Shown<'_>]) -> String {
    if shown.is_empty() {
        return "\nNo statement was called often enough yet.\n".to_owned();
    }
    let megabytes = |bytes: u64| short(bytes.div_ceil(1_048_576));
    let rows: Vec<[String; 9]> = shown
        .iter()
        .map(|it| {
            [
                format!("{:.1}", it.share * 100.0),
                rough(it.total),
                short(it.calls),
                rough(it.mean),
                it.longest.map_or("-".to_owned(), rough),
                short(it.rows),
                megabytes(it.io_bytes),
                megabytes(it.temp_bytes),
                String::new(),
            ]
        })
        .collect();
    let heads = ["%", "total", "calls", "mean", "longest", "rows", "I/O MB", "temp MB", ""];
    let mut text = String::from("\n");
    for (number, line) in columns(heads, &rows).lines().enumerate() {
        text.push_str(line);
        text.push('\n');
        if let Some(it) = number.checked_sub(1).and_then(|number| shown.get(number)) {
            let query = it.query.unwrap_or("(hidden, or it may hold a password)");
            let line = format!("{}: {query}", it.user);
            let _ = writeln!(text, "      {}", printable(&line, WIDTH - 6));
        }
    }
    text
}

fn of_counters(top: &TopStatements) -> String {
    let mut text = String::new();
    if top.forgotten > 0 {
        text.push('\n');
        text.push_str(&lines(
            &format!(
                "Statements were forgotten {} for want of room, and are in no list: pg_stat_statements.max is too low, or texts \
                 vary that should not.",
                counted(top.forgotten, "time", "times")
            ),
            0,
        ));
    }
    if !top.sees_all {
        text.push('\n');
        text.push_str(&lines(
            "The texts of other roles' statements are hidden: GRANT pg_read_all_stats to this role.",
            0,
        ));
    }
    text
}

fn of_growth(growth: &Growth) -> String {
    let mut lost = Vec::new();
    if growth.resets > 0 {
        lost.push(format!(
            "all counters began anew {} (a reset or a crash)",
            counted(growth.resets, "time", "times")
        ));
    }
    if growth.forgotten > 0 {
        lost.push(format!(
            "statements were forgotten {} for want of room",
            counted(growth.forgotten, "time", "times")
        ));
    }
    if growth.begun_anew > 0 {
        lost.push(format!(
            "{} began anew or was gone",
            counted(growth.begun_anew, "single counter", "single counters")
        ));
    }
    if growth.uncounted > 0 {
        lost.push(format!(
            "{} had no room in the look before",
            counted(growth.uncounted, "statement", "statements")
        ));
    }
    if lost.is_empty() {
        return String::new();
    }
    let all = format!(
        "At least so much was done: {}. What was done between the look before that and that moment is lost.",
        lost.join(", ")
    );
    format!("\n{}", lines(&all, 0))
}

fn ours(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    let statements = counted(number, "statement", "statements");
    format!(
        "\n{}",
        lines(
            &format!("{statements} of plimsoll's own, which ask questions like this one, are left out."),
            0
        )
    )
}

fn not_followed(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    let statements = counted(number, "statement", "statements");
    lines(
        &format!("{statements} of other roles cannot be followed: GRANT pg_read_all_stats to this role."),
        0,
    )
}

fn unreadable(number: u64) -> String {
    if number == 0 {
        return String::new();
    }
    lines(&format!("{} of the file cannot be read and were left out.", counted(number, "line", "lines")), 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::is_the_screen;
    use crate::statements::Missing;
    use plimsoll_inspect::statements::history::{Entry, Key, Snapshot, Work};
    use plimsoll_inspect::statements::{Gap, Statement};

    fn found(by: Order, what: What) -> Found {
        Found { schema_version: 1, by, more_than_calls: by.least_calls(), gap: None, what }
    }

    #[test]
    fn the_screen_of_the_counters_is_what_it_was() {
        let statement = |user: &str, calls, millis, share, query: Option<&str>| Statement {
            user: user.to_owned(),
            calls,
            total: Duration::from_millis(millis),
            mean: Duration::from_millis(millis) / calls as u32,
            longest: Duration::from_millis(millis / 2),
            share,
            rows: calls * 3,
            read_bytes: millis * 4_096,
            temp_bytes: millis,
            query: query.map(str::to_owned),
            ..Statement::default()
        };
        let top = TopStatements {
            statements: vec![
                statement(
                    "app",
                    1_234_567,
                    8_100_000,
                    0.612,
                    Some(
                        "SELECT *\n  FROM orders AS o JOIN customers AS c ON c.id = o.customer_id WHERE o.state = $1 AND o.created_at > $2",
                    ),
                ),
                statement("app", 12, 900_000, 0.3, Some("SELECT report($1)")),
                statement("postgres", 11, 110, 0.001, None),
            ],
            collected_for: Some(Duration::from_secs(266_400)),
            forgotten: 7,
            left_out: 12,
            sees_all: false,
        };
        is_the_screen("statements.txt", &text(&found(Order::Mean, What::SinceReset(top))));
    }

    #[test]
    fn the_screen_of_what_was_added_is_what_it_was() {
        let entry = |id, calls, total_ms| Entry {
            key: Key { id, user: "app".to_owned(), is_top: true },
            query: Some(format!("SELECT {id}")),
            since: None,
            work: Work { calls, total_ms, rows: calls, ..Work::default() },
        };
        let look = |at: &str, at_seconds, since: &str, statements| Snapshot {
            at: at.to_owned(),
            at_seconds,
            since: since.to_owned(),
            is_whole: true,
            statements,
            ..Snapshot::default()
        };
        let mut growth = Growth::from(look("2026-11-30T06:00:00Z", 0.0, "a", vec![entry(1, 100, 1_000.0)]));
        growth.step(look(
            "2026-11-30T07:00:00Z",
            3_600.0,
            "a",
            vec![entry(1, 150, 1_400.0), entry(2, 5, 100.0)],
        ));
        growth.step(look("2026-11-30T08:00:00Z", 7_200.0, "b", vec![entry(1, 10, 100.0)]));
        let statements = growth.top(Order::Total, 20, 0);
        let what = What::SinceLook {
            growth: Box::new(growth),
            hidden: 3,
            left_out: 2,
            unreadable_lines: 1,
            statements,
        };
        is_the_screen("statements-since.txt", &text(&found(Order::Total, what)));
    }

    #[test]
    fn the_screen_of_what_is_missing_is_what_it_was() {
        let mut found = found(Order::Total, What::Nothing);
        found.gap = Some(Missing { how: Gap::NotLoaded.to_string(), what: Gap::NotLoaded });
        is_the_screen("statements-gap.txt", &text(&found));
    }
}
