//! What the pages of HTML promise that commands write.

mod a_page_is_whole_and_nothing_in_it_runs;
mod a_page_takes_no_other_files_place;
mod a_report_tells_all_that_was_found;

pub(crate) mod html;
pub(crate) mod scene;
