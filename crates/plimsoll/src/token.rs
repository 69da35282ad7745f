//! A token that stands for a commit, so that a later read can ask to see it, wherever that read runs.
//!
//! A caller that writes on the primary and then reads on a replica may find that its own write is not there yet. It need
//! not read from the primary because of that: the token says how far a replica must have come. It is short text, so it
//! can travel in a cookie, a header or a message to another program.
//!
//! It carries the timeline beside the place in the log. A standby that takes over begins a new timeline, and a place on
//! the old one then says nothing any more: reads with such a token go to the primary.

use crate::lsn::{Lsn, hexadecimal};
use std::fmt;
use std::str::FromStr;

/// The number of a server's timeline. A standby that takes over begins a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timeline(pub(crate) u32);

impl Timeline {
    /// Reads the eight digits with which the name of a log file begins.
    pub(crate) fn read(text: &str) -> Option<Self> {
        hexadecimal(text).and_then(|number| u32::try_from(number).ok()).map(Timeline)
    }
}

/// Stands for a commit: a read that is made [`after`](crate::Call::after) it sees what was committed.
///
/// It comes from [`Call::transaction_with_token`](crate::Call::transaction_with_token) and
/// [`TransactionGuard::commit_with_token`](crate::TransactionGuard::commit_with_token). Its text is at most 26 characters
/// of `0`..`9`, `a`..`f` and `-`, fit for a cookie or a header, and is read back by `parse`. It holds no secret. A client
/// that makes up a token can make its own reads go to the primary, and nothing else.
///
/// ```
/// # use plimsoll::CommitToken;
/// let token: CommitToken = "1-16b374d848".parse()?;
/// assert_eq!(token.to_string(), "1-16b374d848");
/// # Ok::<(), plimsoll::NotAToken>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommitToken {
    pub(crate) timeline: Timeline,
    pub(crate) lsn: Lsn,
}

impl CommitToken {
    /// The later of the two, for a caller that has made several commits. Of two timelines the later one counts.
    #[must_use]
    pub fn latest(self, other: CommitToken) -> CommitToken {
        let place = |token: &CommitToken| (token.timeline, token.lsn);
        if place(&other) > place(&self) { other } else { self }
    }
}

impl fmt::Display for CommitToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.timeline.0, self.lsn.number())
    }
}

/// The text is not one of a [`CommitToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAToken;

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the text of a commit token, which is two hexadecimal numbers joined by a hyphen")
    }
}

impl std::error::Error for NotAToken {}

impl FromStr for CommitToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let (timeline, lsn) = text.split_once('-').ok_or(NotAToken)?;
        let timeline = Timeline::read(timeline).filter(|timeline| timeline.0 > 0).ok_or(NotAToken)?;
        Ok(CommitToken { timeline, lsn: Lsn::numbered(hexadecimal(lsn).ok_or(NotAToken)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_is_short(timeline in 1_u32.., lsn: u64) {
            let token = CommitToken { timeline: Timeline(timeline), lsn: Lsn::numbered(lsn) };
            let text = token.to_string();
            prop_assert!(text.len() <= 26, "{}", text);
            prop_assert_eq!(text.parse(), Ok(token));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            if let Ok(token) = text.parse::<CommitToken>() {
                prop_assert_eq!(token.to_string().parse(), Ok(token));
            }
        }
    }

    #[test]
    fn a_token_of_a_later_timeline_is_the_later_one() {
        let token = |text: &str| text.parse::<CommitToken>().unwrap();
        assert_eq!(token("1-ff").latest(token("2-1")), token("2-1"));
        assert_eq!(token("2-2").latest(token("2-1")), token("2-2"));
        for bad in ["", "-", "1", "1-", "-1", "0-1", "1-1-1", "+1-1", "100000000-1", "1- 1"] {
            assert_eq!(bad.parse::<CommitToken>(), Err(NotAToken), "{bad}");
        }
    }
}
