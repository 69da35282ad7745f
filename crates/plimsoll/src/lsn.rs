//! A place in the server's log: how far it was written, or how far a standby has replayed it.
//!
//! Everything that is committed before a place is visible on a standby that has replayed the log up to there. The server
//! writes a place as two hexadecimal numbers, `16/B374D848`, which are the two halves of one number of bytes.
//!
//! *Page headers.* The log is cut into pages that begin with a header. When a record ends exactly at the end of a page,
//! the position at which the next one will be inserted lies behind the next page's header, while a standby has replayed
//! up to the page's beginning: nothing is missing, and yet the numbers differ, for as long as the server is idle. So a
//! place right behind a header counts as the beginning of its page.

use std::fmt;

/// The page of a server that was built as usual. On another one no place is moved: that costs a detour, once in a while.
const PAGE: u64 = 8_192;
/// Behind the header of a page, and of the first page of a file.
const BEHIND_A_HEADER: [u64; 2] = [24, 40];

/// A place in the log, as a number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lsn(u64);

impl Lsn {
    /// The place with this number.
    pub(crate) fn numbered(number: u64) -> Self {
        Lsn(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// Reads the server's text of it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let half = |text: &str| hexadecimal(text).filter(|number| *number <= u64::from(u32::MAX));
        Some(Lsn(half(high)? << 32 | half(low)?))
    }

    /// The place from which nothing is missing if nothing is missing from this one: see the page headers above. `page` is
    /// the size of the server's pages.
    pub(crate) fn without_header(self, page: u64) -> Self {
        let behind = self.0 % PAGE;
        if page == PAGE && BEHIND_A_HEADER.contains(&behind) { Lsn(self.0 - behind) } else { self }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & u64::from(u32::MAX))
    }
}

/// A number of one to sixteen hexadecimal digits, and nothing else: no sign, no space.
pub(crate) fn hexadecimal(text: &str) -> Option<u64> {
    let are_digits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    are_digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(number: u64) {
            prop_assert_eq!(Lsn::read(&Lsn(number).to_string()), Some(Lsn(number)));
        }

        #[test]
        fn no_text_is_read_by_mistake(text in "[0-9A-Fa-f/+ -]{0,20}") {
            let well_formed = text.split_once('/').is_some_and(|(high, low)| {
                [high, low].iter().all(|half| {
                    !half.is_empty() && half.bytes().all(|b| b.is_ascii_hexdigit())
                        && u32::try_from(u128::from_str_radix(half, 16).unwrap()).is_ok()
                        && half.len() <= 16
                })
            });
            prop_assert_eq!(Lsn::read(&text).is_some(), well_formed);
        }
    }

    #[test]
    fn only_a_place_right_behind_a_header_is_moved() {
        let moved = |number, page| Lsn(number).without_header(page).0;
        assert_eq!(moved(0x300_0000 + 40, 8_192), 0x300_0000);
        assert_eq!(moved(0x300_2000 + 24, 8_192), 0x300_2000);
        assert_eq!(moved(0x300_2000 + 32, 8_192), 0x300_2020);
        assert_eq!(moved(0x300_2000, 8_192), 0x300_2000);
        assert_eq!(moved(0x300_2000 + 24, 16_384), 0x300_2018, "the pages of this server are others");
    }
}
