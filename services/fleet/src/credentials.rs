//! Secrets that this service hands out and recognises again.
//!
//! A token is 32 random bytes; only its SHA-256 is kept. A plain hash is enough for what nobody can guess (it is a
//! slow one that passwords need), and it can be compared in constant time, so that the time of an answer tells nothing
//! about how much of a guess was right.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use subtle::ConstantTimeEq;

/// The SHA-256 of a token: what is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a token that was shown.
    #[must_use]
    pub fn of(token: &str) -> Self {
        TokenHash(Sha256::digest(token.as_bytes()).into())
    }

    /// The hash itself, for tables in memory.
    #[must_use]
    pub fn bytes(&self) -> [u8; 32] {
        self.0
    }

    /// As it is kept in the database: 64 hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether this is the hash that was kept. Takes the same time whatever differs.
    #[must_use]
    pub fn is(&self, kept_hex: &str) -> bool {
        self.hex().as_bytes().ct_eq(kept_hex.as_bytes()).into()
    }
}

/// A new token: 256 random bits, in letters that need no quoting anywhere.
///
/// # Errors
/// When the operating system has no random bytes to give.
pub fn new_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// HMAC-SHA-256 over parts, each with its length before it, so that they do not run into each other.
#[must_use]
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        // HMAC takes keys of every length; if that ever changed, nothing made here would verify.
        return [0; 32];
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The password of the service's own role, made from the owner's.
///
/// Every instance that was given the owner's password finds the same one, so nothing has to be kept or handed around,
/// and it changes when the owner's does.
#[must_use]
pub fn password_of_role(owner_password: &str, role: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(owner_password.as_bytes(), &[b"password of a login role", role.as_bytes()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_token_is_recognised() {
        let kept = TokenHash::of("a").hex();
        assert_eq!(kept, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb");
        assert!(TokenHash::of("a").is(&kept));
        assert!(!TokenHash::of("b").is(&kept));
        assert!(!TokenHash::of("a").is(""));
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(mac(b"k", &[b"ab", b"c"]), mac(b"k", &[b"a", b"bc"]));
        assert_ne!(mac(b"k", &[b"a"]), mac(b"l", &[b"a"]));
        assert_ne!(password_of_role("one", "r"), password_of_role("two", "r"));
    }
}
