//! Where commands connect to, and what they say when they do not.

mod it_connects_as_psql_does;
mod what_keeps_it_from_connecting_is_told_in_one_line;
