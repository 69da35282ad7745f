//! What the dashboard promises: only operators see data and act, what is shown is text, and one look serves all readers. What can
//! only be seen in a browser is in the program `browser`.

mod an_action_is_meant_and_logged;
mod lines;
mod one_look_serves_all_readers;
mod only_operators_see_data;
mod scene;
mod the_page_writes_text_only;
mod the_sentence_follows_the_state;
mod the_stream_goes_on_until_it_should_end;

use lines::Lines;
use scene::{Scene, TOKEN, operators, serve};
