//! What the service `fleet` promises: a module for each promise, named as a sentence.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

// What several promises begin with. What is logged is read as the library's own tests read it.
mod alerts;
mod asking;
mod boundaries;
mod breaking;
#[path = "../../../../crates/plimsoll/tests/promises/log.rs"]
#[allow(dead_code, reason = "of the whole module this program takes what it needs")]
mod log;
mod process;
mod service;

// The promises.
mod a_batch_has_an_answer_for_each_message;
mod a_client_that_leaves_stops_its_question_and_not_its_reading;
mod a_client_that_says_nothing_is_not_waited_for;
mod a_database_that_is_broken_from_the_page_loses_nothing;
mod a_device_is_registered_shown_and_changed_by_its_tenant;
mod a_device_sends_as_often_as_it_may;
mod a_fault_at_any_boundary_leaves_all_or_nothing;
mod a_file_of_devices_is_imported_row_by_row;
mod a_frozen_database_is_a_503_and_loses_nothing;
mod a_full_queue_refuses_at_once;
mod a_list_of_devices_is_one_statement_whatever_is_on_it;
mod a_lost_commit_is_not_acknowledged_twice;
mod a_missing_token_is_named;
mod a_new_token_takes_the_place_of_the_old_one_at_once;
mod a_reading_is_acknowledged_after_commit;
mod a_reading_of_any_day_has_a_place;
mod a_request_ends_by_the_services_deadline;
mod a_stop_ends_in_time;
mod a_subscription_whose_end_has_come_is_turned_once;
mod a_tenant_has_one_default_policy;
mod a_time_beyond_every_clock_is_shown_in_lists;
mod an_alert_is_addressed_by_its_id_and_its_tenant;
mod an_interrupt_drains_and_a_second_one_leaves_at_once;
mod another_tenants_alerts_and_rotas_are_not_there;
mod another_tenants_device_is_like_none;
mod bad_input_gets_a_4xx_and_stores_nothing;
mod both_ways_to_name_a_database_are_read;
mod deleting_a_device_is_all_or_nothing_and_counts_once;
mod device_pages_are_complete_and_cursors_are_checked;
mod duplicates_are_stored_once;
mod each_part_has_its_own_pool;
mod each_request_is_logged_with_its_tenant;
mod every_write_of_a_request_is_one_commit;
mod integration_routes_name_their_severities;
mod it_works_behind_a_transaction_pooler;
mod no_secret_is_logged_or_answered;
mod one_hundred_first_messages_make_one_device;
mod one_page_for_each_step_of_an_escalation;
mod only_plain_json_is_read;
mod policies_and_schedules_are_written_whole_or_not_at_all;
mod sql_and_code_have_one_list_of_states;
mod tenants_cannot_see_each_other;
mod the_consoles_are_files_of_their_own;
mod the_first_hour_works_as_printed;
mod the_login_role_carries_its_limits;
mod the_overview_is_a_tenants_own;
mod the_pulse_is_told_while_the_database_is_away;
mod the_schema_makes_itself_at_start;
mod the_service_starts_while_postgres_is_away;
mod the_service_tells_how_it_is;
mod the_start_page_tells_what_runs;
mod two_renewals_are_one;
mod under_overload_it_works_at_its_capacity;
mod what_a_login_prefers_changes_nothing;
mod what_an_answer_says_is_so;
mod what_is_not_taken_is_counted_and_kept;
mod what_was_told_not_stored_is_not_stored;
mod who_is_on_call_is_told;
