//! Where settings are read from, what follows from them, and how a wrong one is reported.

mod settings_are_read_from_connection_strings;
mod settings_are_read_from_every_source;
mod settings_never_print_a_secret;
mod settings_reading_never_panics;
mod settings_reference_is_the_table;
mod settings_report_every_problem_at_once;
mod settings_that_were_not_said_follow_those_that_were;
