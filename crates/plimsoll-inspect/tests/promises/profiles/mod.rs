//! Profiles: what a server, a database and its roles ought to be told.

mod the_page_about_the_database_is_the_profile;
mod what_a_role_may_not_is_known_beforehand;
