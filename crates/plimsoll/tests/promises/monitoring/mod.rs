//! What the monitor promises: every acquisition and every statement is in its records, which are right, bounded and easily
//! switched off. And what the slow log promises: it tells enough to act upon, and no secret.

mod a_lease_tells_who_holds_it_and_what_it_does;
mod a_request_knows_what_its_work_took;
mod a_slow_statement_is_logged_with_its_parameters;
mod every_acquisition_and_every_statement_is_recorded;
mod limits_are_suggested_and_applied_only_where_asked;
mod monitoring_can_be_switched_off;
mod no_secret_is_in_any_output;
mod the_monitor_takes_the_same_memory_for_any_load;
mod the_plan_of_a_slow_statement_is_logged_on_request;
mod the_pulse_of_a_pool_is_its_numbers;
mod the_totals_go_on_after_a_restart;
mod who_waited_for_a_lock_is_known_when_it_is_over;
mod writes_that_no_transaction_joins_are_told;
