//! The signature of a webhook: `X-Fleet-Signature: t=<seconds since 1970>,v1=<hex>`, where `v1` is the HMAC-SHA-256 of
//! `<t>.<body>` under the secret of the integration.
//!
//! The time is signed with the body, so that a receiver can refuse an old message that someone sends again. A receiver
//! computes the same, compares in constant time, and looks whether `t` is near its own time.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;
use std::fmt::Write;

/// The name of its header.
pub const HEADER: &str = "x-fleet-signature";

/// The signature of this body at this time.
#[must_use]
pub fn of(secret: &str, now: Timestamp, body: &str) -> String {
    let time = now.as_second();
    let mut text = format!("t={time},v1=");
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()) else {
        // HMAC takes keys of every length; if that ever changed, no receiver would accept this.
        return text;
    };
    mac.update(format!("{time}.").as_bytes());
    mac.update(body.as_bytes());
    for byte in mac.finalize().into_bytes() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `printf '1700000000.{}' | openssl dgst -sha256 -hmac 0123456789abcdef` prints it.
    #[test]
    fn it_is_that_of_other_programs() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let signed = of("0123456789abcdef", now, "{}");
        assert_eq!(
            signed,
            "t=1700000000,v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
        );
        assert_ne!(signed, of("0123456789abcdeg", now, "{}"));
        assert_ne!(signed, of("0123456789abcdef", now, "{ }"));
        assert_ne!(signed, of("0123456789abcdef", Timestamp::from_second(1_700_000_001).unwrap(), "{}"));
    }
}
