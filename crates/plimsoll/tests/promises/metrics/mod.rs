//! What metrics promise: each moves with what it is named after and with nothing else, every way out has the same numbers,
//! and what is made of them (rules, board, pages) asks only for what exists.

mod a_collector_gets_the_same_numbers;
mod a_metric_moves_with_its_cause_and_not_without;
mod alerts_fire_when_they_should_and_only_then;
mod closed_connections_are_counted_by_reason;
mod metrics_reference_is_the_table;
mod prometheus_reads_what_is_rendered;
mod rules_and_board_ask_only_for_what_exists;
mod statsd_receives_what_happened_once;
mod the_runbook_answers_every_alert;
