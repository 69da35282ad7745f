//! What SIGUSR1 prints: a service in a process of its own, which is sent the signal while it hangs.

mod child;
mod it_works_however_the_program_was_started;
mod many_signals_are_few_reports;
mod no_secret_is_in_the_report;
mod switched_off_the_signal_does_nothing;
mod the_newest_switch_holds;
mod what_goes_on_is_printed_whatever_hangs;
