//! Where the last page of a list ended, in a form that a client can carry and cannot make up.
//!
//! OFFSET reads what it skips, and shows a row twice or never when rows come and go between two pages. So a page begins after
//! the last key of the page before. The client carries that key as a cursor: opaque to it, with a version, and signed by the
//! service together with everything that it is good for: the scope (whose list it is), the list, its order and its filters. A
//! cursor that does not verify is refused; it never becomes the first page, since a client would then read the list again and
//! not notice.
//!
//! A cursor is signed and not encrypted: the client can read the key in it. A key holds only what the rows show anyway.

use crate::problem::Problem;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use plimsoll::secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// Of the form of a cursor. What is signed in another way or read in another way has another number.
const VERSION: u8 = 1;
/// The length of a signature, in bytes.
const MAC: usize = 32;
/// The shortest key that signs, in bytes.
const SHORTEST: usize = 32;
/// The longest key of a row, in bytes of JSON.
const LONGEST_KEY: usize = 1024;
/// The longest cursor, in characters: of four, each three bytes.
const LONGEST: usize = (1 + LONGEST_KEY + MAC).div_ceil(3) * 4;

/// The keys that sign the cursors of a service. Cheap to clone.
///
/// All instances of a service need the same, or the page that another instance began is refused: it is a setting of the service.
/// A key is changed without a client noticing in two steps: each instance is given the new key and the old one as
/// [`CursorKeys::and_former`], and the old one is left out once no client can hold a cursor of it any more. While instances are
/// restarted one after the other, one that does not know the new key yet refuses what others have signed with it; to avoid that
/// too, give all of them the new key as the former one first.
///
/// ```
/// use axum::Json;
/// use axum::extract::State;
/// use plimsoll::Database;
/// use plimsoll_http::{CursorKeys, Page, Problem};
/// use serde_json::{Value, json};
///
/// /// Rows with equal times are told apart by their ids.
/// type Key = (i64, String);
///
/// async fn devices(State((db, keys)): State<(Database, CursorKeys)>, page: Page) -> Result<Json<Value>, Problem> {
///     let list = keys.list::<Key>("tenant-7", "devices", "created_ms, id");
///     let sql = "SELECT created_ms, id FROM device
///                WHERE $1::bigint IS NULL OR (created_ms, id) > ($1, $2) ORDER BY created_ms, id LIMIT $3";
///     let (after_time, after_id) = page.after(&list)?.unzip();
///     let mut rows = db.query(sql, &[&after_time, &after_id, &page.rows_to_ask()]).await?;
///     let next = page.next(&list, &mut rows, |row| (row.get(0), row.get(1)))?;
///     let ids: Vec<String> = rows.iter().map(|row| row.get(1)).collect();
///     Ok(Json(json!({ "devices": ids, "next": next })))
/// }
/// ```
#[derive(Clone)]
pub struct CursorKeys(Arc<Keys>);

#[derive(Clone)]
struct Keys {
    /// What signs.
    present: Key,
    /// What has signed what clients may still hold.
    former: Option<Key>,
}

/// A key that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key that signs cursors has {0} bytes; take at least {SHORTEST} that no one can guess, such as those of `openssl rand -hex 32`"
)]
pub struct WeakCursorKey(usize);

impl CursorKeys {
    /// Signs with this key.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn new(key: &Secret) -> Result<Self, WeakCursorKey> {
        Ok(CursorKeys(Arc::new(Keys { present: Key::new(key)?, former: None })))
    }

    /// Reads also what this key has signed, and signs nothing with it. There is one such key; a second one takes its place.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn and_former(self, key: &Secret) -> Result<Self, WeakCursorKey> {
        let former = Some(Key::new(key)?);
        Ok(CursorKeys(Arc::new(Keys { former, ..Arc::unwrap_or_clone(self.0) })))
    }

    /// Draws a key, for development: a cursor is then good until the program ends and in no other instance, which is logged as a
    /// warning.
    ///
    /// # Errors
    /// If the system has no random bytes to give.
    pub fn drawn_for_development() -> io::Result<Self> {
        let mut key = [0; SHORTEST];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        tracing::warn!(
            target: "plimsoll::http",
            "the key that signs cursors was drawn: pages that clients have begun cannot be continued after a restart or on another \
             instance; give all instances one key"
        );
        Ok(CursorKeys(Arc::new(Keys { present: Key(key.into()), former: None })))
    }

    /// The cursors of one list. `scope` is whose list it is, such as the tenant, or empty where all clients see the same. `order`
    /// says by what it is ordered, as in `ORDER BY`; its columns are those of `K`, in this order.
    ///
    /// **The order is total:** no two rows have the same key. Where the columns that people mean can be equal, the primary key
    /// comes last; else of rows with equal keys at the end of a page, those on the next page are never shown. A key whose JSON
    /// cannot be read back (a float that is no number) cannot be signed.
    #[must_use]
    pub fn list<K>(&self, scope: &str, name: &str, order: &str) -> CursorList<K> {
        let mut about = Vec::with_capacity(64);
        [scope, name, order].into_iter().for_each(|part| add(&mut about, part));
        CursorList { keys: Arc::clone(&self.0), about, key: PhantomData }
    }
}

impl fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorKeys").field("has_former", &self.0.former.is_some()).finish_non_exhaustive()
    }
}

/// The cursors of one list, whose rows have keys of the type `K`: see [`CursorKeys::list`].
pub struct CursorList<K> {
    keys: Arc<Keys>,
    /// What a cursor is good for, as it is signed.
    about: Vec<u8>,
    key: PhantomData<fn(K) -> K>,
}

impl<K> CursorList<K> {
    /// The list shows only what passes this filter, so its cursors are good for no other choice. Say filters in one order.
    #[must_use]
    pub fn filtered_by(mut self, name: &str, value: &str) -> Self {
        [name, value].into_iter().for_each(|part| add(&mut self.about, part));
        self
    }
}

impl<K: Serialize + DeserializeOwned> CursorList<K> {
    /// A cursor that stands behind the row with this key.
    ///
    /// # Errors
    /// 500 for a key that cannot be carried: its JSON is longer than 1,024 bytes or cannot be read back.
    pub fn cursor(&self, key: &K) -> Result<String, Problem> {
        let carried = serde_json::to_vec(key).ok().filter(|json| json.len() <= LONGEST_KEY);
        let carried =
            carried.filter(|json| serde_json::from_slice::<K>(json).is_ok()).ok_or_else(not_made)?;
        let mut bytes = Vec::with_capacity(1 + carried.len() + MAC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&carried);
        let signature = self.keys.present.sign(&self.about, &bytes);
        bytes.extend_from_slice(&signature);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The key behind which the page begins.
    ///
    /// # Errors
    /// 400 for everything that [`CursorList::cursor`] has not made for this list.
    pub fn read(&self, cursor: &str) -> Result<K, Problem> {
        self.key_of(cursor).ok_or_else(refused)
    }

    fn key_of(&self, cursor: &str) -> Option<K> {
        if cursor.len() > LONGEST {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (signed, shown) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let Keys { present, former } = &*self.keys;
        // Each is compared whole, so that the time tells neither which key it was nor how much of a guess was right.
        let is_of = |key: &Key| key.sign(&self.about, signed).ct_eq(shown);
        let is_genuine = is_of(present) | former.as_ref().map_or(Choice::from(0), is_of);
        match signed {
            [VERSION, key @ ..] if is_genuine.into() => serde_json::from_slice(key).ok(),
            _ => None,
        }
    }
}

impl<K> fmt::Debug for CursorList<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorList").finish_non_exhaustive()
    }
}

/// One key.
#[derive(Clone)]
struct Key(Box<[u8]>);

impl Key {
    fn new(key: &Secret) -> Result<Self, WeakCursorKey> {
        let bytes = key.expose().as_bytes();
        if bytes.len() < SHORTEST { Err(WeakCursorKey(bytes.len())) } else { Ok(Key(bytes.into())) }
    }

    /// HMAC-SHA-256 of what a cursor is good for and what it carries.
    fn sign(&self, about: &[u8], carried: &[u8]) -> [u8; MAC] {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) else {
            // HMAC takes keys of every length. If that ever changed, nothing that is made here would verify.
            return [0; MAC];
        };
        // The key may serve for other things too.
        mac.update(b"plimsoll cursor");
        mac.update(&length(about));
        mac.update(about);
        mac.update(carried);
        mac.finalize().into_bytes().into()
    }
}

/// A part with its length before it, so that two parts do not run into each other.
fn add(about: &mut Vec<u8>, part: &str) {
    about.extend_from_slice(&length(part.as_bytes()));
    about.extend_from_slice(part.as_bytes());
}

fn length(part: &[u8]) -> [u8; 8] {
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}

pub(crate) fn refused() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "BAD_CURSOR", "after is no cursor of this list.")
        .advice("Begin again without it, and send each cursor as it came, with the same filters.")
}

fn not_made() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "CURSOR_NOT_MADE", "The service made a mistake.")
        .advice("Tell the operator the request id: the key of a row cannot be carried in a cursor.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Pair = (i64, String);

    const KEY: &str = "a key of thirty-two bytes, or more";
    const OTHER: &str = "another key of thirty-two bytes..";

    fn keys(key: &str) -> CursorKeys {
        CursorKeys::new(&key.into()).unwrap()
    }

    fn list(key: &str) -> CursorList<Pair> {
        keys(key).list("tenant a", "devices", "created_at, id")
    }

    fn pair() -> Pair {
        (7, "d7".to_owned())
    }

    fn is_refused<K: Serialize + DeserializeOwned + fmt::Debug>(list: &CursorList<K>, cursor: &str) {
        let problem = list.read(cursor).unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.code()), (400, "BAD_CURSOR"), "{cursor}");
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let cursor = list(KEY).cursor(&pair()).unwrap();
        assert_eq!(list(KEY).read(&cursor).unwrap(), pair());
        let keys = keys(KEY);
        for (scope, name, order) in [
            ("tenant b", "devices", "created_at, id"),
            ("tenant a", "alerts", "created_at, id"),
            ("tenant a", "devices", "created_at DESC, id"),
            ("tenant a", "devices", "created_at"),
            ("tenant adevices", "", "created_at, id"),
            ("", "", ""),
        ] {
            is_refused(&keys.list::<Pair>(scope, name, order), &cursor);
        }
        is_refused(&list(KEY).filtered_by("status", "ACTIVE"), &cursor);
        is_refused(&list(OTHER), &cursor);
        // What is signed is read as what it was, also where the name of the list is the same.
        is_refused(&keys.list::<(String, i64)>("tenant a", "devices", "created_at, id"), &cursor);
    }

    #[test]
    fn and_for_its_own_filters() {
        let filtered = |name, value| list(KEY).filtered_by(name, value);
        let cursor = filtered("status", "ACTIVE").cursor(&pair()).unwrap();
        assert_eq!(filtered("status", "ACTIVE").read(&cursor).unwrap(), pair());
        for other in [
            list(KEY),
            filtered("status", "DELETED"),
            filtered("site", "ACTIVE"),
            filtered("statusA", "CTIVE"),
            filtered("status", "ACTIVE").filtered_by("site", "a"),
        ] {
            is_refused(&other, &cursor);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let cursor = list(KEY).cursor(&pair()).unwrap();
        let huge = "A".repeat(1_000_000);
        let longer = format!("{cursor}A");
        let padded = format!("{cursor}=");
        for other in ["", "x", "d7", "AAAA", "\0", "ä", &cursor[1..], &longer, &padded, &huge] {
            is_refused(&list(KEY), other);
        }
        for end in 0..cursor.len() {
            is_refused(&list(KEY), &cursor[..end]);
        }
    }

    #[test]
    fn no_byte_can_be_changed() {
        let cursor = list(KEY).cursor(&pair()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                is_refused(&list(KEY), &URL_SAFE_NO_PAD.encode(changed));
            }
        }
    }

    #[test]
    fn a_cursor_of_another_version_is_refused_though_it_is_signed() {
        let list = list(KEY);
        let signed = |version: u8| {
            let mut bytes = [&[version][..], &serde_json::to_vec(&pair()).unwrap()].concat();
            let signature = list.keys.present.sign(&list.about, &bytes);
            bytes.extend_from_slice(&signature);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        assert_eq!(list.read(&signed(VERSION)).unwrap(), pair());
        for version in [0, VERSION + 1, u8::MAX] {
            is_refused(&list, &signed(version));
        }
    }

    #[test]
    fn what_the_former_key_has_signed_is_read_and_nothing_more_is_signed_with_it() {
        let rotated = keys(OTHER).and_former(&KEY.into()).unwrap();
        let rotated = rotated.list::<Pair>("tenant a", "devices", "created_at, id");
        let (old, new) = (list(KEY).cursor(&pair()).unwrap(), rotated.cursor(&pair()).unwrap());
        assert_eq!((rotated.read(&old).unwrap(), rotated.read(&new).unwrap()), (pair(), pair()));
        is_refused(&list(KEY), &new);
        assert_eq!(list(OTHER).read(&new).unwrap(), pair());
        is_refused(&list(OTHER), &old);
    }

    #[test]
    fn a_key_that_can_be_guessed_is_refused() {
        for weak in ["", "secret", &"x".repeat(31)] {
            let told = CursorKeys::new(&weak.into()).unwrap_err().to_string();
            assert!(told.contains(&weak.len().to_string()) && told.contains("32"), "{told}");
            assert!(keys(KEY).and_former(&weak.into()).is_err());
        }
    }

    #[test]
    fn a_drawn_key_is_new_each_time() {
        let drawn = || CursorKeys::drawn_for_development().unwrap().list::<Pair>("", "devices", "id");
        let (one, two) = (drawn(), drawn());
        let cursor = one.cursor(&pair()).unwrap();
        assert_eq!(one.read(&cursor).unwrap(), pair());
        is_refused(&two, &cursor);
    }

    #[test]
    fn a_key_that_cannot_be_carried_is_an_error_of_the_service() {
        let of_text = keys(KEY).list::<String>("", "names", "name");
        let longest = "x".repeat(LONGEST_KEY - 2);
        let cursor = of_text.cursor(&longest).unwrap();
        assert!(cursor.len() <= LONGEST, "{}", cursor.len());
        assert_eq!(of_text.read(&cursor).unwrap(), longest);
        let told = of_text.cursor(&"x".repeat(LONGEST_KEY)).unwrap_err();
        assert_eq!((told.status().as_u16(), told.code()), (500, "CURSOR_NOT_MADE"));
        let of_numbers = keys(KEY).list::<f64>("", "scores", "score");
        assert_eq!(of_numbers.cursor(&f64::NAN).unwrap_err().code(), "CURSOR_NOT_MADE");
    }

    #[test]
    fn a_debug_print_holds_no_key() {
        let said = format!("{:?} {:?}", keys(KEY), list(KEY));
        assert!(!said.contains("thirty") && !said.contains(&format!("{:?}", KEY.as_bytes())), "{said}");
    }

    proptest! {
        #[test]
        fn any_key_comes_back_as_it_was(
            time in any::<i64>(), big in any::<u64>(), score in -1e300f64..1e300, id in ".{0,40}", site in any::<Option<String>>(),
        ) {
            type Row = (i64, u64, f64, String, Option<String>);
            let list = keys(KEY).list::<Row>("t", "rows", "time, big, score, id, site");
            let key: Row = (time, big, score, id, site.map(|site| site.chars().take(20).collect()));
            let cursor = list.cursor(&key).unwrap();
            let is_fit_for_a_url = cursor.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
            prop_assert!(is_fit_for_a_url);
            prop_assert_eq!(list.read(&cursor).unwrap(), key);
        }

        #[test]
        fn any_text_is_refused(text in any::<String>()) {
            prop_assert_eq!(list(KEY).read(&text).unwrap_err().code(), "BAD_CURSOR");
        }

        #[test]
        fn any_change_is_refused(at in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]") {
            let cursor = list(KEY).cursor(&pair()).unwrap();
            let at = at.index(cursor.len());
            let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
            prop_assert_eq!(list(KEY).read(&changed).is_ok(), changed == cursor);
        }
    }
}
