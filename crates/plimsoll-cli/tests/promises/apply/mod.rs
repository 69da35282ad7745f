//! `plimsoll apply`: what it shows, changes, notes, reads back and takes back.

mod a_role_that_may_not_is_told_which_right_is_missing;
mod a_run_that_was_killed_goes_on_where_it_was;
mod a_value_that_does_not_arrive_is_told_with_its_reason;
mod another_session_is_waited_for_briefly;
mod killer;
mod nothing_is_begun_that_the_server_would_refuse;
mod nothing_is_changed_unless_somebody_says_so;
mod remedies_of_checks_are_run_and_taken_back;
mod roles_have_what_they_need_and_no_more;
pub(crate) mod scene;
mod the_fleets_own_server_is_put_right_and_back;
mod what_cannot_be_changed_is_refused_in_a_sentence;
