//! A statement that is slow on purpose, played so that each layer's limit in turn is the one that strikes: what the client
//! gets, what the log says, and that nothing stays behind.

mod a_proxy_in_front_hears_first_and_speaks_last;
mod each_limit_strikes_in_its_turn;
mod nginx;
mod scene;
mod strikes;
