//! Profiles: what a server, a database and its roles ought to be told.

mod the_page_about_the_database_is_the_profile;
