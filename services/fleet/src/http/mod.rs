//! What this service's answers over HTTP have in common beyond what [`plimsoll_http`] gives them: how its refusals are told,
//! which token was shown, what a body may be, and the files of its pages. It knows none of the rooms that answer.

pub(crate) mod bearer;
pub(crate) mod body;
pub mod failure;
pub(crate) mod media;
pub(crate) mod page_file;
pub(crate) mod path;
