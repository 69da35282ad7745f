//! What is seen when each limit strikes. The tests of this folder play each row and compare; the table in the guide is made of
//! the same rows, so that it says nothing that was not seen.

use std::fmt::Write;
use std::path::Path;

/// A limit that strikes.
pub(super) struct Strike {
    /// Its name.
    pub(super) limit: &'static str,
    /// What goes on.
    pub(super) played: &'static str,
    /// What the client gets; none if it is not there any more, or gets a closed connection.
    pub(super) status: Option<u16>,
    /// The problem's code; none if the answer is not the service's.
    pub(super) code: Option<&'static str>,
    /// What the problem says of the work.
    pub(super) outcome: Option<&'static str>,
    /// `ended` in the access log.
    pub(super) ended: &'static str,
    /// What the log says beside that, in some line.
    pub(super) log: &'static [&'static str],
    /// The test that plays it.
    pub(super) test: &'static str,
}

const DEADLINE: &str = "the request's deadline passed";
const LEFT: &str = "client went away, or its connection was ended";
const BY_LIMIT: &str = "stopped on the server: its limit came";
const BY_DEADLINE: &str = "stopped on the server: the deadline came";
const BY_LEAVING: &str = "stopped on the server: its caller dropped it";

/// From inside out.
pub(super) const STRIKES: &[Strike] = &[
    Strike {
        limit: "`lock_timeout`",
        played: "an `UPDATE` waits for a row that another session has locked",
        status: Some(409),
        code: Some("PL-STM-02"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[],
        test: "a_lock_that_is_not_to_be_had",
    },
    Strike {
        limit: "`statement_timeout`",
        played: "a statement sleeps",
        status: Some(504),
        code: Some("PL-STM-01"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[],
        test: "a_statement_that_the_server_ends",
    },
    Strike {
        limit: "`Call::statement_timeout`",
        played: "a call that allows itself less",
        status: Some(504),
        code: Some("PL-STM-01"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[],
        test: "a_call_that_allows_itself_less",
    },
    Strike {
        limit: "`client_statement_timeout`",
        played: "a statement sleeps, and the server has no limit",
        status: Some(504),
        code: Some("PL-STM-01"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[BY_LIMIT],
        test: "a_statement_that_the_server_would_not_end",
    },
    Strike {
        limit: "`transaction_timeout`",
        played: "many statements, none of them slow",
        status: Some(504),
        code: Some("PL-TXN-01"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[],
        test: "a_transaction_of_many_short_statements",
    },
    Strike {
        limit: "`idle_in_transaction_session_timeout`",
        played: "a transaction waits for something else",
        status: Some(503),
        code: Some("PL-LNK-03"),
        outcome: Some("rolled back"),
        ended: "answered",
        log: &[],
        test: "a_transaction_that_waits_for_something_else",
    },
    Strike {
        limit: "`pool_timeout`",
        played: "all connections are lent",
        status: Some(503),
        code: Some("PL-ACQ-01"),
        outcome: Some("not started"),
        ended: "answered",
        log: &[],
        test: "a_pool_that_is_lent_out",
    },
    Strike {
        limit: "`breaker_after`",
        played: "the network to the server swallows everything, and a request comes after that",
        status: Some(503),
        code: Some("PL-BRK-01"),
        outcome: Some("not started"),
        ended: "answered",
        log: &["circuit breaker opened"],
        test: "a_network_that_swallows_everything",
    },
    Strike {
        limit: "the request's deadline, while it waits for a connection",
        played: "all connections are lent",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("not started"),
        ended: "deadline_passed",
        log: &[DEADLINE],
        test: "a_request_that_waits_for_a_connection",
    },
    Strike {
        limit: "`Options::deadline`",
        played: "a statement sleeps",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("rolled back"),
        ended: "deadline_passed",
        log: &[BY_DEADLINE, DEADLINE],
        test: "a_request_by_the_deadline_of_all",
    },
    Strike {
        limit: "`RouteDeadline::of`",
        played: "a statement sleeps, on a route that allows less",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("rolled back"),
        ended: "deadline_passed",
        log: &[BY_DEADLINE, DEADLINE],
        test: "a_request_by_the_deadline_of_its_route",
    },
    Strike {
        limit: "`X-Request-Timeout-Ms`",
        played: "a statement sleeps, and the client allows less",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("rolled back"),
        ended: "deadline_passed",
        log: &[BY_DEADLINE, DEADLINE],
        test: "a_request_by_the_deadline_of_its_client",
    },
    Strike {
        limit: "`Options::deadline`, and the handler goes on",
        played: "a handler waits for something that knows no deadline",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("unknown"),
        ended: "deadline_passed",
        log: &[DEADLINE],
        test: "a_handler_that_does_not_end_by_itself",
    },
    Strike {
        limit: "the network, and then `Options::deadline`",
        played: "the network to the server swallows everything while a statement runs",
        status: Some(504),
        code: Some("PL-DEA-01"),
        outcome: Some("unknown"),
        ended: "deadline_passed",
        log: &[DEADLINE],
        test: "a_statement_whose_network_swallows_everything",
    },
    Strike {
        limit: "`ServeOptions::grace`",
        played: "the service is stopped while a statement sleeps",
        status: None,
        code: None,
        outcome: None,
        ended: "client_left",
        log: &["still had requests under way", LEFT, BY_LEAVING],
        test: "a_service_that_is_stopped",
    },
    Strike {
        limit: "`proxy_read_timeout`",
        played: "a statement sleeps, and the proxy waits for less than the service",
        status: Some(504),
        code: None,
        outcome: None,
        ended: "client_left",
        log: &[LEFT, BY_LEAVING],
        test: "by_nginx_a_request_that_the_proxy_gives_up",
    },
    Strike {
        limit: "a client behind a proxy",
        played: "a statement sleeps, and the client hangs up on the proxy",
        status: None,
        code: None,
        outcome: None,
        ended: "client_left",
        log: &[LEFT, BY_LEAVING],
        test: "by_nginx_a_client_that_hangs_up_on_the_proxy",
    },
    Strike {
        limit: "the client: a closed page, `curl --max-time`",
        played: "a statement sleeps, and the client hangs up",
        status: None,
        code: None,
        outcome: None,
        ended: "client_left",
        log: &[LEFT, BY_LEAVING],
        test: "a_client_that_gives_up",
    },
];

/// What was to be seen in this test.
pub(super) fn of(test: &str) -> &'static Strike {
    STRIKES.iter().find(|strike| strike.test == test).unwrap_or_else(|| panic!("no row is played by {test}"))
}

const GUIDE: &str = "docs/guides/timeouts.md";
const BEGIN: &str = "<!-- strikes: written by `make docs` -->\n";
const END: &str = "<!-- end of strikes -->";

fn table() -> String {
    let mut table = "| limit | what is played | the client gets | outcome | access log | and the log |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for strike in STRIKES {
        let gets = match (strike.status, strike.code) {
            (Some(status), Some(code)) => format!("{status} {code}"),
            (Some(status), None) => format!("{status}, the proxy's own"),
            (None, _) => "nothing".to_owned(),
        };
        let error = strike.code.filter(|_| strike.ended == "answered").map(|code| format!("`{code} ..`"));
        let lines = error.into_iter().chain(strike.log.iter().map(|line| format!("`{line}`")));
        let lines = lines.collect::<Vec<_>>().join(", ");
        let status = match strike.ended {
            "client_left" => "499".to_owned(),
            _ => strike.status.map(|status| status.to_string()).unwrap_or_default(),
        };
        let _ = writeln!(
            table,
            "| {} | {} | {gets} | {} | {status} {} | {lines} |",
            strike.limit,
            strike.played,
            strike.outcome.unwrap_or_default(),
            strike.ended,
        );
    }
    table
}

/// The table in the guide is what the tests beside this one play. `make docs` writes it.
#[test]
fn the_table_of_strikes_is_what_is_played() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE);
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).expect("the guide has the place of the table");
    let (_, after) = rest.split_once(END).expect("the table has an end");
    let made = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == made, "{GUIDE} is out of date: run `make docs`");
}

/// Each row is played by a test of that name.
#[test]
fn every_row_is_played() {
    let tests = [
        include_str!("each_limit_strikes_in_its_turn.rs"),
        include_str!("a_proxy_in_front_hears_first_and_speaks_last.rs"),
    ]
    .concat();
    for strike in STRIKES {
        assert!(tests.contains(&format!("async fn {}()", strike.test)), "no test plays {}", strike.test);
        let looks = format!("strike(\"{}\"", strike.test);
        assert_eq!(tests.matches(&looks).count(), 1, "{} does not look at its row", strike.test);
    }
}
