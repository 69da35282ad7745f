//! `plimsoll chaos`: a drill tells a guarded service from one that is not, leaves nothing behind, and does nothing unasked.

mod a_drill_that_cannot_be_played_is_told_apart;
mod a_guarded_service_holds;
mod an_outage_in_small_shows_the_difference;
mod an_unguarded_service_is_told_with_numbers;
mod nothing_is_done_unless_somebody_says_so;
mod nothing_stays_when_the_command_is_killed;
mod scene;
mod the_nightly_run_is_a_timer;
