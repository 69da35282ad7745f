//! How an instance shows itself to the others: by the name of its heartbeat's connection.
//!
//! ```text
//! orders # 9/30 1f3a9c0d (heartbeat)
//!          │ │  └ token: the same for all pools that share one budget, and different in every process
//!          │ └ the most connections that this pool would use
//!          └ connections to be lent that it has
//! ```
//!
//! `pg_stat_activity` shows the name of a session to every role, and of the sessions of other roles little else. A name
//! needs no table, no right and no clean-up: it is gone with its session, however the program ended.

use crate::session_name::{as_instance, with_end};
use std::fmt;

pub(crate) use crate::session_name::HEARTBEAT;

/// Tells instances with the same application name apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u32);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What the name says of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) token: Token,
    pub(crate) holds: usize,
    pub(crate) most: usize,
}

/// The name of a heartbeat's connection; `own` is the program's application name. With a mark it is printable ASCII without
/// quotes and backslashes.
pub(crate) fn compose(own: &str, mark: Option<Mark>) -> String {
    let Some(Mark { token, holds, most }) = mark else { return with_end(own, HEARTBEAT) };
    let is_plain = |c: char| matches!(c, ' '..='~') && c != '\'' && c != '\\';
    let own: String = as_instance(own).chars().map(|c| if is_plain(c) { c } else { '?' }).collect();
    with_end(&own, &format!(" # {holds}/{most} {token}{HEARTBEAT}"))
}

/// Reads a name; `None` if it is no heartbeat's, or one that says nothing.
pub(crate) fn parse(name: &str) -> Option<Mark> {
    let (_, mark) = name.strip_suffix(HEARTBEAT)?.rsplit_once(" # ")?;
    let (numbers, token) = mark.split_once(' ')?;
    let (holds, most) = numbers.split_once('/')?;
    let is_token = token.len() == 8 && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let token = Token(u32::from_str_radix(token, 16).ok().filter(|_| is_token)?);
    Some(Mark { token, holds: count(holds)?, most: count(most)? })
}

/// A number of connections. A server has at most 262143, so a larger number was not written by an instance.
fn count(digits: &str) -> Option<usize> {
    let is_number =
        !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| is_number)
}
