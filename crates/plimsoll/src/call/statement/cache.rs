//! Bounded caches of prepared statements and of their types.
//!
//! On a direct connection a statement that is used again is prepared once and named; each connection keeps its names in a
//! bounded LRU. The types of a statement's parameters are learned once for the whole pool, after which the first use on
//! another connection needs one round trip and no name. Behind a transaction pooler nothing is named at all.
//!
//! A name costs memory twice: here the text, in the server's backend the text, its tree and its plan, which are many times
//! as much. So both kinds of caches have a bound in bytes beside their count, and a statement that is long or has many
//! parameters gets no name: it is mostly an INSERT of many rows, which never comes again with the same number of rows. Of
//! a long text only the types are kept, under a hash: see [`key_of`].

use super::weighted_lru::{Bounds, WeightedLru};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// A text that is longer is neither named nor kept.
const LONGEST_KEPT: usize = 8 * 1024;

/// A statement with more parameters is not named.
const MOST_PARAMETERS_NAMED: usize = 256;

/// What the statements of one connection may weigh together. The server's backend holds ten to twenty times as much.
const BYTES_OF_A_CONNECTION: usize = 1024 * 1024;

/// What the types of a pool's statements may weigh together.
const BYTES_OF_A_POOL: usize = 4 * 1024 * 1024;

/// By what the caches know a text: by itself, or, if it is long, by a hash of it. The hash has 128 bits under keys that are
/// drawn for this process, so two texts never have the same one; and no text that can be sent begins with a zero byte, so
/// no text is mistaken for a hash.
fn key_of(sql: &str) -> Cow<'_, str> {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    if sql.len() <= LONGEST_KEPT {
        return Cow::Borrowed(sql);
    }
    let [a, b] = &*KEYS;
    Cow::Owned(format!("\0{:016x}{:016x}", a.hash_one(sql), b.hash_one(sql)))
}

/// What the pool knows of a statement.
#[derive(PartialEq)]
pub(crate) struct StatementTypes {
    /// Its text or what stands for it, which every connection that keeps the statement shares.
    key: Arc<str>,
    pub(crate) params: Box<[Type]>,
    columns: Box<[u32]>,
    /// Whether the driver has every type built in, so that nothing has to be looked up after the statement ran.
    pub(crate) is_plain: bool,
}

impl StatementTypes {
    fn of(key: Arc<str>, statement: &Statement) -> Self {
        let is_built_in = |ty: &Type| Type::from_oid(ty.oid()).is_some();
        StatementTypes {
            key,
            params: statement.params().into(),
            columns: statement.columns().iter().map(|column| column.type_().oid()).collect(),
            is_plain: statement.params().iter().all(is_built_in)
                && statement.columns().iter().all(|column| is_built_in(column.type_())),
        }
    }

    /// Whether this is what is known of the statement with this text.
    pub(super) fn is_of(&self, sql: &str) -> bool {
        *self.key == *key_of(sql)
    }

    /// Whether the statement is given a name on a direct connection when it is used again.
    pub(super) fn is_worth_a_name(&self) -> bool {
        !self.key.starts_with('\0') && self.params.len() <= MOST_PARAMETERS_NAMED
    }

    /// About how many bytes it takes to keep this.
    fn weight(&self) -> usize {
        64 + self.key.len() + 32 * (self.params.len() + self.columns.len())
    }
}

/// The types of statements, for a whole pool.
pub(super) struct TypeCache(Mutex<WeightedLru<Arc<str>, Arc<StatementTypes>>>);

impl TypeCache {
    pub(crate) fn new(size: usize) -> Self {
        TypeCache(Mutex::new(WeightedLru::new(Bounds { entries: size, bytes: BYTES_OF_A_POOL })))
    }

    pub(crate) fn get(&self, sql: &str) -> Option<Arc<StatementTypes>> {
        let key = key_of(sql);
        self.0.lock().get(&*key).cloned()
    }

    pub(crate) fn learn(&self, sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        let key = key_of(sql);
        let mut cache = self.0.lock();
        let key = cache.get(&*key).map_or_else(|| Arc::from(key), |known| Arc::clone(&known.key));
        let known = Arc::new(StatementTypes::of(Arc::clone(&key), statement));
        let gone = cache.put(key, Arc::clone(&known), known.weight());
        drop(cache);
        drop(gone);
        known
    }

    /// Types that hold in one context only; the connection alone keeps them.
    pub(crate) fn learn_apart(sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        Arc::new(StatementTypes::of(Arc::from(key_of(sql)), statement))
    }

    pub(crate) fn forget(&self, sql: &str) {
        let key = key_of(sql);
        let gone = self.0.lock().pop(&*key);
        drop(gone);
    }

    pub(crate) fn forget_all(&self) {
        let gone = self.0.lock().take();
        drop(gone);
    }
}

/// What all connections of a pool know of statements.
pub(crate) struct StatementKnowledge {
    pub(super) types: TypeCache,
    /// Counts how often this was found to be out of date.
    epoch: AtomicU64,
}

impl StatementKnowledge {
    pub(crate) fn new(size: usize) -> Self {
        StatementKnowledge { types: TypeCache::new(size), epoch: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What is known of statements is out of date, on all connections.
    pub(crate) fn outdate(&self) {
        self.types.forget_all();
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

/// What one connection knows of a statement.
#[derive(Clone)]
pub(crate) enum CachedStatement {
    /// Used without a name; its types are resolved on this connection.
    Seen(Arc<StatementTypes>),
    /// Prepared and named.
    Prepared(Statement),
}

/// Statements by the context in which they were used and their text.
type ByContext = WeightedLru<(u64, Arc<str>), CachedStatement>;

/// The statements of one connection. Evicting one closes it on the server with the next flight.
pub(crate) struct StatementCache {
    /// Those that were used in the session's first context.
    here: Mutex<WeightedLru<Arc<str>, CachedStatement>>,
    /// Those that were used in another context, by its number; `None` until there is one.
    elsewhere: Mutex<Option<ByContext>>,
    bounds: Bounds,
}

impl StatementCache {
    pub(crate) fn new(size: usize) -> Self {
        let bounds = Bounds { entries: size, bytes: BYTES_OF_A_CONNECTION };
        StatementCache { here: Mutex::new(WeightedLru::new(bounds)), elsewhere: Mutex::new(None), bounds }
    }

    pub(crate) fn get(&self, context: u64, sql: &str) -> Option<CachedStatement> {
        let key = key_of(sql);
        if context != 0 {
            return self.elsewhere.lock().as_mut()?.get(&(context, Arc::from(key))).cloned();
        }
        let mut cache = self.here.lock();
        // Mostly it is the same statement as last time, which needs neither a hash nor a move to the front.
        match cache.peek_mru() {
            Some((last, kept)) if **last == *key => Some(kept.clone()),
            _ => cache.get(&*key).cloned(),
        }
    }

    /// The statement, if it is prepared and named.
    #[inline]
    pub(crate) fn prepared(&self, context: u64, sql: &str) -> Option<Statement> {
        if sql.len() > LONGEST_KEPT {
            return None;
        }
        match self.get(context, sql) {
            Some(CachedStatement::Prepared(statement)) => Some(statement),
            _ => None,
        }
    }

    /// Keeps what is known of a statement; of one that is not worth a name only its types.
    pub(crate) fn keep(&self, context: u64, known: &Arc<StatementTypes>, kept: CachedStatement) {
        let kept = if known.is_worth_a_name() { kept } else { CachedStatement::Seen(Arc::clone(known)) };
        let (key, weight) = (Arc::clone(&known.key), known.weight());
        // Dropped outside the lock, because dropping a statement queues a Close.
        if context == 0 {
            let gone = self.here.lock().put(key, kept, weight);
            drop(gone);
        } else {
            let mut elsewhere = self.elsewhere.lock();
            let cache = elsewhere.get_or_insert_with(|| WeightedLru::new(self.bounds));
            let gone = cache.put((context, key), kept, weight);
            drop(elsewhere);
            drop(gone);
        }
    }

    pub(crate) fn forget(&self, context: u64, sql: &str) {
        let key = key_of(sql);
        let forgotten = match context {
            0 => self.here.lock().pop(&*key),
            _ => self.elsewhere.lock().as_mut().and_then(|cache| cache.pop(&(context, Arc::from(key)))),
        };
        drop(forgotten);
    }

    pub(crate) fn forget_all(&self) {
        let here = self.here.lock().take();
        let elsewhere = self.elsewhere.lock().take();
        drop((here, elsewhere));
    }

    pub(crate) fn len(&self) -> usize {
        self.here.lock().len() + self.elsewhere.lock().as_ref().map_or(0, WeightedLru::len)
    }
}
