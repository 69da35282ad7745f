//! What the monitor promises: every acquisition and every statement is in its records, which are right, bounded and easily
//! switched off. And what the slow log promises: it tells enough to act upon, and no secret.

mod a_slow_statement_is_logged_with_its_parameters;
mod every_acquisition_and_every_statement_is_recorded;
mod monitoring_can_be_switched_off;
mod no_secret_is_in_any_output;
mod the_monitor_takes_the_same_memory_for_any_load;
mod the_plan_of_a_slow_statement_is_logged_on_request;
