//! The time limits of a PgBouncer: from the answer of its console to `SHOW CONFIG`, or from its file.

use super::limit::{At, Keeper, Layer, Limit};
use crate::answer::{Unreadable, rows};
use std::time::Duration;
use tokio_postgres::SimpleQueryMessage;

/// What is read, where it acts, and what counts where a file says nothing, in seconds. 0 is off. Source: PgBouncer's
/// documentation of its configuration, 1.24.
const READ: [(&str, Layer, u64); 7] = [
    ("query_wait_timeout", Layer::Pool, 120),
    ("client_idle_timeout", Layer::Pool, 0),
    ("server_connect_timeout", Layer::Connect, 15),
    ("client_login_timeout", Layer::Connect, 60),
    ("idle_transaction_timeout", Layer::Transaction, 0),
    ("query_timeout", Layer::Statement, 0),
    ("cancel_wait_timeout", Layer::Statement, 10),
];

fn limit((name, layer, _): (&'static str, Layer, u64), seconds: f64, place: String) -> Limit {
    let after = (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    Limit { layer, name, keeper: Keeper::PgBouncer, after, place, at: At::default() }
}

/// Reads the answer to `SHOW CONFIG`.
///
/// # Errors
/// The answer is not one to this question.
pub fn of_console(answer: &[SimpleQueryMessage]) -> Result<Vec<Limit>, Unreadable> {
    let mut limits = Vec::new();
    for row in rows(answer).filter(|row| row.has("key")) {
        let Some(known) =
            READ.into_iter().find(|(name, ..)| row.text("key").is_ok_and(|key| key == Some(name)))
        else {
            continue;
        };
        let is_default = row.has("default") && row.text("default")? == row.text("value")?;
        let place = if is_default { "PgBouncer's default" } else { "PgBouncer's configuration" };
        limits.push(limit(known, row.number("value")?.unwrap_or_default(), place.to_owned()));
    }
    Ok(limits)
}

/// Reads a `pgbouncer.ini`; `file` is what it is called in the findings. The second part names the files that it includes,
/// which are not read.
///
/// # Errors
/// A limit that is no number, with its line; or the file has no section `[pgbouncer]`.
pub fn of_file(text: &str, file: &str) -> Result<(Vec<Limit>, Vec<String>), String> {
    let mut includes = Vec::new();
    let mut found: Vec<(&str, f64, usize)> = Vec::new();
    let (mut is_main, mut has_main) = (false, false);
    for (line, nth) in text.lines().map(str::trim).zip(1_usize..) {
        if let Some(name) = line.strip_prefix('[') {
            is_main = name.trim_end_matches(']').trim().eq_ignore_ascii_case("pgbouncer");
            has_main |= is_main;
        } else if let Some(name) = line.strip_prefix("%include") {
            includes.push(name.trim().to_owned());
        } else if let (true, Some((key, value))) =
            (is_main && !line.starts_with([';', '#']), line.split_once('='))
        {
            let Some((name, ..)) = READ.into_iter().find(|(name, ..)| *name == key.trim()) else { continue };
            let value = value.trim();
            let seconds = value
                .parse()
                .map_err(|_| format!("{file}, line {nth}: {name} {value:?} is no number of seconds"))?;
            found.push((name, seconds, nth));
        }
    }
    if !has_main {
        let elsewhere = match includes.as_slice() {
            [] => String::new(),
            some => format!("; it includes {}: name the file that has it", some.join(", ")),
        };
        return Err(format!(
            "{file} is no configuration of a PgBouncer: it has no section [pgbouncer]{elsewhere}"
        ));
    }
    let limits = READ.into_iter().map(|known| match found.iter().rev().find(|(name, ..)| *name == known.0) {
        Some((_, seconds, line)) => limit(known, *seconds, format!("{file}, line {line}")),
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        None => limit(known, known.2 as f64, format!("default, {file} says nothing")),
    });
    Ok((limits.collect(), includes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_the_rest_is_pgbouncers_default() {
        let text = "[databases]\nquery_timeout = host=a\n[pgbouncer]\n; query_wait_timeout = 1\nquery_wait_timeout = 5\n\
                    %include /etc/more.ini\nidle_transaction_timeout=0\n";
        let (limits, includes) = of_file(text, "pgbouncer.ini").unwrap();
        let of = |name: &str| limits.iter().find(|limit| limit.name == name).unwrap();
        assert_eq!(
            (of("query_wait_timeout").after, of("query_wait_timeout").place.as_str()),
            (Some(Duration::from_secs(5)), "pgbouncer.ini, line 5")
        );
        assert_eq!(of("query_timeout").after, None);
        assert_eq!(of("server_connect_timeout").after, Some(Duration::from_secs(15)));
        assert_eq!(includes, ["/etc/more.ini"]);
        let error = of_file("[pgbouncer]\nquery_timeout = 5s", "p.ini").unwrap_err();
        assert_eq!(error, "p.ini, line 2: query_timeout \"5s\" is no number of seconds");
        for other in
            ["", "[databases]\n* = host=a\n", "server { proxy_pass http://a; }", "query_timeout = 5\n"]
        {
            let error = of_file(other, "p.ini").unwrap_err();
            assert_eq!(
                error, "p.ini is no configuration of a PgBouncer: it has no section [pgbouncer]",
                "{other:?}"
            );
        }
        let error = of_file("%include more.ini\n", "p.ini").unwrap_err();
        assert!(error.ends_with("it includes more.ini: name the file that has it"), "{error}");
    }
}
