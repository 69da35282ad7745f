//! Every alert fires on series that must make it fire and not on those that must not, by Prometheus' own evaluation. A pool
//! that has grown to one connection of thirty because no more were needed makes none fire.

use super::metrics_reference_is_the_table::RUNBOOK;
use crate::promtool::{promtool, said};
use plimsoll::monitor::{Alert, alert_rules, alerts};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A sample every 15 s.
struct Case {
    alert: &'static str,
    what: &'static str,
    series: &'static [(&'static str, &'static str)],
    at: &'static str,
    /// What the description gives as the value, if it fires.
    fires: Option<&'static str>,
}

const fn case(
    alert: &'static str,
    what: &'static str,
    series: &'static [(&'static str, &'static str)],
    at: &'static str,
    fires: Option<&'static str>,
) -> Case {
    Case { alert, what, series, at, fires }
}

const UTILIZATION: &str = "pool_utilization_pct";
const OPEN: &str = r#"plimsoll_breaker_state{mode="on",state="open"}"#;
const DARK: &str = r#"plimsoll_breaker_state{mode="dark",state="open"}"#;
const WAIT_SUM: &str = "db_client_connection_wait_time_seconds_sum";
const WAIT_COUNT: &str = "db_client_connection_wait_time_seconds_count";
const EVENTS: &str = "system_pool_exhaustion_events_total";
const EXHAUSTED: &str = "plimsoll_pool_exhausted";
const MIGRATED: &str = "plimsoll_schema_migrated_timestamp_seconds";
const HEALTH: &str = "plimsoll_health_check_failures_total";

const CASES: &[Case] = &[
    case(
        "DatabasePoolUtilizationSustained",
        "96 % for ten minutes",
        &[(UTILIZATION, "96+0x60")],
        "10m",
        Some("96"),
    ),
    case(
        "DatabasePoolUtilizationSustained",
        "96 % for nine minutes",
        &[(UTILIZATION, "96+0x36 60+0x40")],
        "10m",
        None,
    ),
    case("DatabasePoolUtilizationSustained", "95 % and no more", &[(UTILIZATION, "95+0x90")], "20m", None),
    case(
        "DatabasePoolUtilizationCritical",
        "91 % for five minutes",
        &[(UTILIZATION, "91+0x40")],
        "5m",
        Some("91"),
    ),
    case(
        "DatabasePoolUtilizationCritical",
        "full for four minutes",
        &[(UTILIZATION, "100+0x16 50+0x40")],
        "5m",
        None,
    ),
    case("DatabasePoolUtilizationCritical", "90 % and no more", &[(UTILIZATION, "90+0x60")], "10m", None),
    case(
        "DatabasePoolUtilizationHigh",
        "81 % for two minutes",
        &[(UTILIZATION, "81+0x20")],
        "2m",
        Some("81"),
    ),
    case("DatabasePoolUtilizationHigh", "80 % and no more", &[(UTILIZATION, "80+0x60")], "10m", None),
    case(
        "DatabaseAcquisitionFailures",
        "twelve in a minute",
        &[("pool_acquisition_failures_total", "0+3x20")],
        "3m",
        Some("12"),
    ),
    case(
        "DatabaseAcquisitionFailures",
        "eight in a minute",
        &[("pool_acquisition_failures_total", "0+2x20")],
        "3m",
        None,
    ),
    case(
        "DatabaseAcquisitionFailures",
        "a hundred that are over",
        &[("pool_acquisition_failures_total", "0+0x2 100+0x40")],
        "5m",
        None,
    ),
    case(
        "DatabaseTimeouts",
        "eight in a minute",
        &[("system_timeout_errors_total", "7+2x20")],
        "3m",
        Some("8"),
    ),
    case("DatabaseTimeouts", "four in a minute", &[("system_timeout_errors_total", "7+1x20")], "3m", None),
    case(
        "DatabaseTimeouts",
        "many before a restart",
        &[("system_timeout_errors_total", "900+0x10 0+0x20")],
        "4m",
        None,
    ),
    case("DatabaseCircuitOpen", "a minute", &[(OPEN, "0+0x3 1+0x20")], "2m", Some("1")),
    case("DatabaseCircuitOpen", "three quarters of a minute", &[(OPEN, "0+0x3 1+0x3 0+0x20")], "2m", None),
    case("DatabaseCircuitOpen", "it refuses nothing in the mode dark", &[(DARK, "1+0x60")], "10m", None),
    case(
        "DatabaseSlowAcquisition",
        "150 ms on average",
        &[(WAIT_SUM, "0+3x40"), (WAIT_COUNT, "0+20x40")],
        "6m",
        Some("150"),
    ),
    case(
        "DatabaseSlowAcquisition",
        "75 ms on average",
        &[(WAIT_SUM, "0+1.5x40"), (WAIT_COUNT, "0+20x40")],
        "6m",
        None,
    ),
    case(
        "DatabaseSlowAcquisition",
        "slow an hour ago, idle since",
        &[(WAIT_SUM, "900+0x40"), (WAIT_COUNT, "10+0x40")],
        "6m",
        None,
    ),
    case(
        "DatabaseSlowQueries",
        "sixty in an hour",
        &[("queries_slow_count_total", "0+0.25x300")],
        "1h10m",
        Some("60"),
    ),
    case("DatabaseSlowQueries", "48 in an hour", &[("queries_slow_count_total", "0+0.2x300")], "1h10m", None),
    case(
        "DatabaseQueryTimeouts",
        "twelve in a minute",
        &[("plimsoll_statement_timeouts_total", "0+3x20")],
        "3m",
        Some("12"),
    ),
    case(
        "DatabaseQueryTimeouts",
        "eight in a minute",
        &[("plimsoll_statement_timeouts_total", "0+2x20")],
        "3m",
        None,
    ),
    case("DatabaseConnectionLeak", "one", &[("system_connection_leaks", "0+0x4 1+0x9")], "2m", Some("1")),
    case("DatabaseConnectionLeak", "it came back", &[("system_connection_leaks", "1+0x4 0+0x9")], "2m", None),
    case(
        "DatabasePoolExhausted",
        "over since a minute",
        &[(EVENTS, "0+0x4 1+0x20"), (EXHAUSTED, "0+0x4 1+0x4 0+0x20")],
        "3m30s",
        Some(""),
    ),
    case(
        "DatabasePoolExhausted",
        "it lasts",
        &[(EVENTS, "0+0x4 1+0x20"), (EXHAUSTED, "0+0x4 1+0x20")],
        "3m30s",
        None,
    ),
    case(
        "DatabasePoolExhausted",
        "over since half an hour",
        &[(EVENTS, "0+0x4 1+0x200"), (EXHAUSTED, "0+0x4 1+0x4 0+0x200")],
        "30m",
        None,
    ),
    case("DatabaseSchemaInitialised", "three minutes ago", &[(MIGRATED, "60+0x40")], "4m", Some("")),
    case("DatabaseSchemaInitialised", "a quarter of an hour ago", &[(MIGRATED, "60+0x90")], "16m", None),
    case("DatabaseHealthCheckFailed", "one in five minutes", &[(HEALTH, "0+0x4 1+0x20")], "3m", Some("")),
    case("DatabaseHealthCheckFailed", "the last is long ago", &[(HEALTH, "0+0x4 1+0x60")], "12m", None),
];

/// A pool of thirty of which one connection was needed, at every point of an hour.
const CALM: &[(&str, &str)] = &[
    (UTILIZATION, "3.3+0x280"),
    (r#"db_client_connection_count{db_client_connection_state="idle"}"#, "1+0x280"),
    (r#"db_client_connection_count{db_client_connection_state="used"}"#, "0+0x280"),
    ("db_client_connection_max", "30+0x280"),
    ("pool_acquisition_failures_total", "0+0x280"),
    ("system_timeout_errors_total", "0+0x280"),
    ("queries_slow_count_total", "0+0.1x280"),
    ("plimsoll_statement_timeouts_total", "0+0x280"),
    ("system_connection_leaks", "0+0x280"),
    (EVENTS, "0+0x280"),
    (EXHAUSTED, "0+0x280"),
    (HEALTH, "0+0x280"),
    (WAIT_SUM, "0+0.001x280"),
    (WAIT_COUNT, "0+20x280"),
    (OPEN, "0+0x280"),
    (r#"plimsoll_breaker_state{mode="on",state="closed"}"#, "1+0x280"),
];

fn with_pool(series: &str) -> String {
    match series.split_once('{') {
        Some((name, labels)) => format!("{name}{{pool=\"a\",{labels}"),
        None => format!("{series}{{pool=\"a\"}}"),
    }
}

fn scenario(text: &mut String, what: &str, series: &[(&str, &str)]) {
    let _ = write!(text, "  - interval: 15s\n    name: '{what}'\n    input_series:\n");
    for (series, values) in series {
        let _ = writeln!(text, "      - series: '{}'\n        values: '{values}'", with_pool(series));
    }
    text.push_str("    alert_rule_test:\n");
}

fn expectation(text: &mut String, alert: &Alert, at: &str, labels: &str, fires: Option<&str>) {
    let _ = writeln!(text, "      - eval_time: {at}\n        alertname: {}", alert.name());
    let Some(value) = fires else {
        text.push_str("        exp_alerts: []\n");
        return;
    };
    let filled = |text: &str| {
        text.replace("{{ $labels.pool }}", "a")
            .replace("{{ printf \"%.0f\" $value }}", value)
            .replace('\'', "''")
    };
    let _ = write!(
        text,
        "        exp_alerts:\n          - exp_labels:\n              severity: {}\n              pool: a\n{labels}            \
         exp_annotations:\n              summary: '{}'\n              description: '{}'\n              runbook_url: '{RUNBOOK}#{}'\n",
        alert.severity(),
        filled(alert.summary()),
        filled(alert.description()),
        alert.anchor(),
    );
}

fn run(tests: &str) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), alert_rules(RUNBOOK)).unwrap();
    let head = "rule_files:\n  - rules.yml\nevaluation_interval: 15s\ntests:\n";
    std::fs::write(folder.path().join("tests.yml"), format!("{head}{tests}")).unwrap();
    promtool(folder.path(), &["test", "rules", "tests.yml"], "")
}

/// The labels that a series keeps besides the pool.
fn labels_of(case: &Case) -> String {
    let (series, _) = case.series[0];
    let Some((_, labels)) = series.split_once('{') else { return String::new() };
    let labels = labels.trim_end_matches('}').split(',');
    labels.map(|label| format!("              {}\n", label.replace("=\"", ": ").replace('"', ""))).collect()
}

fn alert(name: &str) -> &'static Alert {
    alerts().iter().find(|alert| alert.name() == name).unwrap()
}

#[test]
fn every_alert_by_promtool() {
    let mut text = String::new();
    for case in CASES {
        scenario(&mut text, case.what, case.series);
        let labels = labels_of(case).replace(": on", ": \"on\"");
        expectation(&mut text, alert(case.alert), case.at, &labels, case.fires);
    }
    let output = run(&text);
    assert!(output.status.success(), "{}", said(&output));

    for fires in [true, false] {
        let cases = CASES.iter().filter(|case| case.fires.is_some() == fires);
        let shown: BTreeSet<&str> = cases.map(|case| case.alert).collect();
        let all: BTreeSet<&str> = alerts().iter().map(Alert::name).collect();
        assert_eq!(
            shown,
            all,
            "there is no case for these where it {}",
            if fires { "fires" } else { "does not" }
        );
    }
}

#[test]
fn a_pool_that_has_not_grown_makes_none_fire_by_promtool() {
    let mut text = String::new();
    scenario(&mut text, "calm", CALM);
    for alert in alerts() {
        for at in ["15s", "5m", "15m", "1h10m"] {
            expectation(&mut text, alert, at, "", None);
        }
    }
    let output = run(&text);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn a_case_that_is_wrong_is_found_by_promtool() {
    let mut text = String::new();
    scenario(&mut text, "calm, and said to fire", CALM);
    expectation(&mut text, alert("DatabaseTimeouts"), "5m", "", Some("8"));
    let output = run(&text);
    assert!(!output.status.success() && said(&output).contains("DatabaseTimeouts"), "{}", said(&output));
}
