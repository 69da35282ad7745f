//! Keys of advisory locks: made of typed parts, and the same in every process and in SQL.
//!
//! An advisory lock protects only if every process computes the same key for it. A hash that is salted per process
//! locks nothing, and a key without a namespace collides with that of another feature. Here a key is a namespace and
//! parts, each written with its type and its length, hashed to 64 bits by SHA-256: `('device', 't1', 'd7')` differs
//! from `('device', 't1d', '7')`, and `7` from `'7'`. Among five thousand million keys, about one pair collides. If
//! two holders must never meet even by chance, use the unique key of a table; the lock then only avoids conflicts.
//!
//! In SQL, built-in functions compute the same number from the text form of the key ([`LockKey::text`]):
//!
//! ```sql
//! SELECT ('x' || substr(encode(sha256(convert_to('device/s2:t1/s2:d7', 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint;
//! ```

use std::fmt::Write;

/// Takes the lock, and waits for it.
pub(crate) const TAKE: &str = "SELECT pg_catalog.pg_advisory_xact_lock($1)";
/// Takes the lock if it is free, and returns whether it did.
pub(crate) const TRY: &str = "SELECT pg_catalog.pg_try_advisory_xact_lock($1)";

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPart {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for KeyPart {
    fn from(text: &str) -> Self {
        KeyPart::Text(text.to_owned())
    }
}

impl From<String> for KeyPart {
    fn from(text: String) -> Self {
        KeyPart::Text(text)
    }
}

impl From<&String> for KeyPart {
    fn from(text: &String) -> Self {
        KeyPart::Text(text.clone())
    }
}

impl From<i64> for KeyPart {
    fn from(number: i64) -> Self {
        KeyPart::Number(number)
    }
}

impl From<i32> for KeyPart {
    fn from(number: i32) -> Self {
        KeyPart::Number(i64::from(number))
    }
}

/// The key of an advisory lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockKey {
    text: String,
}

impl LockKey {
    /// A key of a namespace and parts.
    #[must_use]
    pub fn new(namespace: &str, parts: impl IntoIterator<Item = KeyPart>) -> Self {
        let mut text = namespace.replace('%', "%25").replace('/', "%2F");
        for part in parts {
            // Writing to a String cannot fail.
            let _ = match part {
                KeyPart::Text(value) => write!(text, "/s{}:{value}", value.len()),
                KeyPart::Number(value) => write!(text, "/i:{value}"),
            };
        }
        LockKey { text }
    }

    /// The text that is hashed: `device/s2:t1/i:7`. In the namespace, `%` is written as `%25` and `/` as `%2F`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The 64-bit key that PostgreSQL locks.
    #[must_use]
    pub fn number(&self) -> i64 {
        let digest = sha256(self.text.as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = digest;
        i64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

impl From<&str> for LockKey {
    fn from(namespace: &str) -> Self {
        LockKey::new(namespace, [])
    }
}

impl<A: Into<KeyPart>> From<(&str, A)> for LockKey {
    fn from((namespace, a): (&str, A)) -> Self {
        LockKey::new(namespace, [a.into()])
    }
}

impl<A: Into<KeyPart>, B: Into<KeyPart>> From<(&str, A, B)> for LockKey {
    fn from((namespace, a, b): (&str, A, B)) -> Self {
        LockKey::new(namespace, [a.into(), b.into()])
    }
}

impl<A: Into<KeyPart>, B: Into<KeyPart>, C: Into<KeyPart>> From<(&str, A, B, C)> for LockKey {
    fn from((namespace, a, b, c): (&str, A, B, C)) -> Self {
        LockKey::new(namespace, [a.into(), b.into(), c.into()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |key: LockKey| key.number();
        assert_ne!(key(("device", "t1", "d7").into()), key(("device", "t1d", "7").into()));
        assert_ne!(key(("device", "7").into()), key(("device", 7i64).into()));
        assert_ne!(key(("a/s1:b", "c").into()), key(("a", "b", "c").into()));
        assert_ne!(key("a/b".into()), key("a%2Fb".into()));
    }

    #[test]
    fn a_key_never_changes() {
        assert_eq!(LockKey::from(("device", "t1", "d7")).text(), "device/s2:t1/s2:d7");
    }
}
