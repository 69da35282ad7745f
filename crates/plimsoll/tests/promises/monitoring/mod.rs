//! What the monitor promises: every acquisition and every statement is in its records, which are right, bounded and easily
//! switched off.

mod every_acquisition_and_every_statement_is_recorded;
mod limits_are_suggested_and_applied_only_where_asked;
mod monitoring_can_be_switched_off;
mod the_monitor_takes_the_same_memory_for_any_load;
mod the_totals_go_on_after_a_restart;
