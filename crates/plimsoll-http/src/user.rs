//! Who a request is from, for the access log.

use axum::response::{IntoResponseParts, ResponseParts};
use std::convert::Infallible;
use std::sync::Arc;

/// Who a request is from, as the access log tells it: an id rather than a name or an address, since logs are kept.
///
/// What checks who a client is says so here. Before the [layers](crate::layers) it puts it into the request's extensions; behind
/// them, where the request is not seen any more, into those of the response, which a handler does by returning it:
///
/// ```
/// use plimsoll_http::User;
///
/// async fn devices() -> (User, &'static str) {
///     (User::new("u-17"), "..")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User(Arc<str>);

/// The longest that is logged, in bytes.
const LONGEST: usize = 64;

impl User {
    /// The user with this id. Control characters, also those that end lines or turn the direction of a text, become spaces, and
    /// of more than 64 bytes the first are kept.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let mut clean: String = id.chars().map(|c| if controls(c) { ' ' } else { c }).collect();
        let end = (0..=LONGEST.min(clean.len())).rev().find(|at| clean.is_char_boundary(*at));
        clean.truncate(end.unwrap_or_default());
        User(clean.into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character does something to the text around it.
fn controls(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl IntoResponseParts for User {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        parts.extensions_mut().insert(self);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_a_line_or_fill_the_log_is_not_kept() {
        assert_eq!(User::new("u-17").as_str(), "u-17");
        assert_eq!(User::new("a\nb\u{1b}").as_str(), "a b ");
        assert_eq!(User::new("a\u{85}b\u{2028}c\u{202e}d\u{2069}").as_str(), "a b c d ");
        assert_eq!(User::new(&"\u{fc}".repeat(100)).as_str().chars().count(), 32);
    }
}
