//! What `plimsoll doctor` shows, and by which status it ends.

mod a_pooler_in_between_is_told_of;
mod a_server_in_trouble_gets_a_report_all_the_same;
mod ten_thousand_tables_are_no_hindrance;
mod the_report_is_shown_as_it_was_asked_for;
