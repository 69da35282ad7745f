//! Bounded caches of prepared statements and of their types.
//!
//! On a direct connection a statement that is used again is prepared once and named; each connection keeps its names in a
//! bounded LRU. The types of a statement's parameters are learned once for the whole pool, after which the first use on
//! another connection needs one round trip and no name. Behind a transaction pooler nothing is named at all.

use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// What the pool knows of a statement.
#[derive(PartialEq)]
pub(crate) struct StatementTypes {
    /// Its text, which every connection that keeps the statement shares.
    pub(crate) sql: Arc<str>,
    pub(crate) params: Box<[Type]>,
    columns: Box<[u32]>,
    /// Whether the driver has every type built in, so that nothing has to be looked up after the statement ran.
    pub(crate) is_plain: bool,
}

impl StatementTypes {
    fn of(sql: Arc<str>, statement: &Statement) -> Self {
        let is_built_in = |ty: &Type| Type::from_oid(ty.oid()).is_some();
        StatementTypes {
            sql,
            params: statement.params().into(),
            columns: statement.columns().iter().map(|column| column.type_().oid()).collect(),
            is_plain: statement.params().iter().all(is_built_in)
                && statement.columns().iter().all(|column| is_built_in(column.type_())),
        }
    }
}

fn capacity(of: usize) -> NonZeroUsize {
    NonZeroUsize::new(of).unwrap_or(NonZeroUsize::MIN)
}

/// The types of statements, for a whole pool.
pub(super) struct TypeCache(Mutex<LruCache<Arc<str>, Arc<StatementTypes>>>);

impl TypeCache {
    pub(crate) fn new(size: usize) -> Self {
        TypeCache(Mutex::new(LruCache::new(capacity(size))))
    }

    pub(crate) fn get(&self, sql: &str) -> Option<Arc<StatementTypes>> {
        self.0.lock().get(sql).cloned()
    }

    pub(crate) fn learn(&self, sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        let mut cache = self.0.lock();
        let text = cache.get(sql).map_or_else(|| Arc::from(sql), |known| Arc::clone(&known.sql));
        let known = Arc::new(StatementTypes::of(text, statement));
        cache.put(Arc::clone(&known.sql), Arc::clone(&known));
        known
    }

    /// Types that hold in one context only; the connection alone keeps them.
    pub(crate) fn learn_apart(sql: &str, statement: &Statement) -> Arc<StatementTypes> {
        Arc::new(StatementTypes::of(Arc::from(sql), statement))
    }

    pub(crate) fn forget(&self, sql: &str) {
        self.0.lock().pop(sql);
    }

    pub(crate) fn forget_all(&self) {
        self.0.lock().clear();
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
type ByContext = LruCache<(u64, Arc<str>), CachedStatement>;

/// The statements of one connection. Evicting one closes it on the server with the next flight.
pub(crate) struct StatementCache {
    /// Those that were used in the session's first context.
    here: Mutex<LruCache<Arc<str>, CachedStatement>>,
    /// Those that were used in another context, by its number; `None` until there is one.
    elsewhere: Mutex<Option<ByContext>>,
    size: NonZeroUsize,
}

impl StatementCache {
    pub(crate) fn new(size: usize) -> Self {
        let size = capacity(size);
        StatementCache { here: Mutex::new(LruCache::new(size)), elsewhere: Mutex::new(None), size }
    }

    pub(crate) fn get(&self, context: u64, sql: &str) -> Option<CachedStatement> {
        if context != 0 {
            return self.elsewhere.lock().as_mut()?.get(&(context, Arc::from(sql))).cloned();
        }
        let mut cache = self.here.lock();
        // Mostly it is the same statement as last time, which needs neither a hash nor a move to the front.
        match cache.peek_mru() {
            Some((last, kept)) if **last == *sql => Some(kept.clone()),
            _ => cache.get(sql).cloned(),
        }
    }

    /// The statement, if it is prepared and named.
    pub(crate) fn prepared(&self, context: u64, sql: &str) -> Option<Statement> {
        match self.get(context, sql) {
            Some(CachedStatement::Prepared(statement)) => Some(statement),
            _ => None,
        }
    }

    pub(crate) fn keep(&self, context: u64, known: &StatementTypes, kept: CachedStatement) {
        let sql = Arc::clone(&known.sql);
        // Dropped outside the lock, because dropping a statement queues a Close.
        if context == 0 {
            let evicted = self.here.lock().push(sql, kept);
            drop(evicted);
        } else {
            let mut elsewhere = self.elsewhere.lock();
            let evicted =
                elsewhere.get_or_insert_with(|| LruCache::new(self.size)).push((context, sql), kept);
            drop(elsewhere);
            drop(evicted);
        }
    }

    pub(crate) fn forget(&self, context: u64, sql: &str) {
        let forgotten = match context {
            0 => self.here.lock().pop(sql),
            _ => self.elsewhere.lock().as_mut().and_then(|cache| cache.pop(&(context, Arc::from(sql)))),
        };
        drop(forgotten);
    }

    pub(crate) fn forget_all(&self) {
        let here = std::mem::replace(&mut *self.here.lock(), LruCache::new(self.size));
        let elsewhere = self.elsewhere.lock().take();
        drop((here, elsewhere));
    }

    pub(crate) fn len(&self) -> usize {
        self.here.lock().len() + self.elsewhere.lock().as_ref().map_or(0, LruCache::len)
    }
}
