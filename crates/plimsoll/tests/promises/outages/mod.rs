//! A server or a wire that is slow, frozen or gone: how soon it is seen, what it costs, and how it heals.

mod a_frozen_server_is_seen_within_a_second;
mod a_program_that_stood_still_does_not_blame_the_database;
mod a_server_that_is_away_fills_no_log;
mod a_server_that_is_away_heals;
mod a_server_that_never_answered_is_told_of_as_soon_as_it_is_known;
mod a_wire_that_swallows_everything_keeps_nobody;
mod health_is_asked_once_and_hides_nothing;
mod programs_that_lost_their_server_do_not_come_back_together;
mod random_cancels_and_kills_are_no_outage;
