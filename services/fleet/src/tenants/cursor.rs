//! Pages by key: where the last page ended, in a form that cannot be made up.
//!
//! OFFSET reads what it skips, and shows a row twice or never when rows come and go between two pages. A page here
//! begins after the last key of the one before. What the client carries in between is a cursor: opaque to it, with a
//! version of its own, bound to the tenant and to the list it came from, and signed with the service's key. A cursor that does
//! not verify is the client's error and is told so; it never quietly becomes the first page.

use super::TenantId;
use crate::credentials::mac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

const VERSION: u8 = 1;
const MAC: usize = 32;

/// How long a cursor may be; a key has at most 128 bytes.
const LONGEST: usize = 512;

/// How many rows a page may hold, and how many it holds when nobody said.
pub const LIMITS: std::ops::RangeInclusive<u32> = 1..=1000;
/// The rows of a page when nobody said.
pub const LIMIT: u32 = 100;

/// The key that signs cursors; the same in all instances.
#[derive(Clone)]
pub struct CursorKey(Vec<u8>);

/// The cursor was not made here, not for this list, or was changed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCursor;

impl CursorKey {
    /// Takes the service's key.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>) -> Self {
        CursorKey(key.into())
    }

    /// A cursor that stands after `last` in this tenant's list of that name.
    #[must_use]
    pub fn cursor(&self, tenant: &TenantId, list: &str, last: &str) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(last.as_bytes());
        bytes.extend_from_slice(&self.signature(tenant, list, &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key after which the page begins.
    ///
    /// # Errors
    /// When the cursor is not one that [`CursorKey::cursor`] made for this tenant and this list.
    pub fn read(&self, tenant: &TenantId, list: &str, cursor: &str) -> Result<String, BadCursor> {
        if cursor.len() > LONGEST {
            return Err(BadCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
        let at = bytes.len().checked_sub(MAC).ok_or(BadCursor)?;
        let (signed, signature) = bytes.split_at_checked(at).ok_or(BadCursor)?;
        let genuine: bool = self.signature(tenant, list, signed).ct_eq(signature).into();
        match signed {
            [VERSION, last @ ..] if genuine => String::from_utf8(last.to_vec()).map_err(|_| BadCursor),
            _ => Err(BadCursor),
        }
    }

    fn signature(&self, tenant: &TenantId, list: &str, signed: &[u8]) -> [u8; MAC] {
        mac(&self.0, &[b"cursor", tenant.as_str().as_bytes(), list.as_bytes(), signed])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let key = CursorKey::new("k");
        let cursor = key.cursor(&tenant("a"), "devices", "d7");
        assert_eq!(key.read(&tenant("a"), "devices", &cursor).as_deref(), Ok("d7"));
        assert_eq!(key.read(&tenant("b"), "devices", &cursor), Err(BadCursor));
        assert_eq!(key.read(&tenant("a"), "alerts", &cursor), Err(BadCursor));
        assert_eq!(CursorKey::new("l").read(&tenant("a"), "devices", &cursor), Err(BadCursor));
        for other in ["", "d7", "AAAA", &cursor[1..], &format!("{cursor}A"), &"A".repeat(10_000)] {
            assert_eq!(key.read(&tenant("a"), "devices", other), Err(BadCursor), "{other}");
        }
    }
}
