//! Listening to notifications, on a connection of its own.
//!
//! `LISTEN` belongs to a session, and a session of the pool belongs to one caller after another. So a listener has its own
//! connection, which takes no slot of the pool, and which leads past a transaction pooler by `listen_url`.
//!
//! Notifications are not stored: what is sent while no session listens is heard by none. A listener that reconnects in
//! silence has therefore lost something and says nothing of it; and one that tells of the loss before it listens again
//! loses what comes between the caller's reading and the new `LISTEN`. So the loss is told as a [`Gap`](crate::listen::Gap)
//! in the stream, once `LISTEN` holds, and the same message begins every listener: a caller that reads its state at each
//! gap misses nothing.
//!
//! | file | what it holds |
//! |---|---|
//! | here | the listener, as its caller sees it |
//! | [`shared`] | what the listener and the task of its connection share |
//! | [`task`] | keeps a connection on which `LISTEN` holds |
//! | [`channel`] | names of channels |

mod channel;
mod shared;
mod task;

use crate::call::database::Database;
use crate::deadline;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::notification::Message;
use crate::pool::fairness::refused;
use crate::wire::connect::{Connector, Pooler};
use futures_util::Stream;
use shared::Shared;
use std::collections::BTreeSet;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use task::Task;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Hears notifications, and says where some may be missing. Made by [`Database::listen`].
///
/// It is a [`Stream`] of messages, and [`Listener::recv`] gives the same one by one. The first message is a
/// [`Gap`](crate::listen::Gap), and after a lost connection or a full buffer there is one again: read your state at each.
///
/// It reconnects by itself. It holds at most `listen_buffer` messages for a reader that is slower than they come. Dropped,
/// it ends its connection; [`Database::close`] ends it too, and it outlives the last handle.
///
/// ```no_run
/// use plimsoll::{Database, listen::Message};
/// # async fn read_all_orders(db: &Database) -> plimsoll::Result<()> { Ok(()) }
///
/// # async fn example(db: Database) -> plimsoll::Result<()> {
/// let mut orders = db.listen(["orders"]).await?;
/// while let Some(message) = orders.recv().await? {
///     match message {
///         Message::Gap(_) => read_all_orders(&db).await?, // also at the beginning
///         Message::Notification(changed) => println!("order {} has changed", changed.payload),
///         _ => {}
///     }
/// }
/// # Ok(()) }
/// ```
#[must_use = "dropped, it ends its connection"]
pub struct Listener {
    shared: Arc<Shared>,
}

impl Database {
    /// Listens to these channels, on a connection of its own that takes no slot of the pool and is shown as
    /// "... (listener)". Other channels may be added and removed later; none need be given now.
    ///
    /// It returns once `LISTEN` holds, or once the first connect has failed because the server is away: the listener then
    /// heals by itself, as the handle does after [`Database::connect`]. In both cases the first message is a
    /// [`Gap`](crate::listen::Gap), which comes once `LISTEN` holds.
    ///
    /// Behind a session pooler it occupies one of the pooler's connections to the server for as long as it lives.
    ///
    /// A name is taken as it is, as `pg_notify` takes it. `NOTIFY Orders` without quotation marks sends to `orders`.
    ///
    /// # Errors
    /// [`Fault::Usage`] behind a transaction pooler unless `listen_url` leads past it, and for a name that is no channel;
    /// what waiting cannot heal, such as a refused password; [`Fault::PoolClosed`]; [`Fault::DeadlinePassed`].
    ///
    /// # Cancel safety
    /// Dropped, the listener ends.
    pub fn listen<C: AsRef<str>>(
        &self,
        channels: impl IntoIterator<Item = C>,
    ) -> impl Future<Output = Result<Listener>> + Send {
        let channels = channel::all_checked(channels);
        async move {
            match channels.and_then(|channels| self.begin_listening(channels)) {
                Ok((listener, started)) => listener.started(started).await,
                Err(error) => refused(error).await,
            }
        }
    }

    /// Starts the task of a listener.
    fn begin_listening(
        &self,
        channels: BTreeSet<String>,
    ) -> Result<(Listener, oneshot::Receiver<Result<()>>)> {
        let server = &self.server;
        let plan = &server.plan;
        let closing = server.closing.subscribe();
        if *closing.borrow() || self.is_closed() {
            return Err(shared::closed());
        }
        let has_listen_url = plan.has_listen_url();
        if !has_listen_url && self.pooler() == Some(Pooler::Transaction) {
            return Err(behind_pooler(has_listen_url));
        }
        let connectors = plan.of_listener().into_iter().map(|plan| Connector::new(Arc::new(plan)));
        let connectors = connectors.collect::<Result<Vec<_>>>()?;
        let (connect_timeout, events) = (plan.connect_timeout(), server.events.clone());
        let shared = Arc::new(Shared::new(channels, plan.listen_buffer(), events.clone()));
        let (started, has_started) = oneshot::channel();
        let task = Task {
            shared: Arc::clone(&shared),
            connectors,
            events,
            keepalive: plan.listen_keepalive(),
            connect_timeout,
            has_listen_url,
            started: Some(started),
            silent_since: Instant::now(),
            link: None,
        };
        server.runtime.spawn(task.run(closing));
        Ok((Listener { shared }, has_started))
    }
}

impl Listener {
    /// The next message; `None` once [`Database::close`] was called.
    ///
    /// # Errors
    /// Why the listener has ended by itself, once: it was found to be behind a transaction pooler, or its runtime ended.
    /// A lost connection is no error.
    ///
    /// # Cancel safety
    /// Dropped, it has taken nothing.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.shared.poll(cx)).await.transpose()
    }

    /// Listens to another channel. Returns once `LISTEN` holds for it: state that depends on it is read after that.
    /// While the server is away, it waits until the deadline of the scope.
    ///
    /// # Errors
    /// [`Fault::Usage`] for a name that is no channel, or if the channel is removed meanwhile; the server's own refusal;
    /// [`Fault::PoolClosed`]; [`Fault::DeadlinePassed`].
    ///
    /// # Cancel safety
    /// Dropped, or failed by the deadline, the channel stays added, and is listened to as soon as that is possible.
    pub async fn add(&self, channel: impl AsRef<str>) -> Result<()> {
        let added = channel::checked(channel.as_ref()).and_then(|channel| self.shared.add(channel));
        match added {
            Ok(answer) => self.answer(answer, "LISTEN does not hold for the channel yet").await,
            Err(error) => refused(error).await,
        }
    }

    /// Gives up a channel: from now on nothing of it is given, also nothing that was heard already. Returns whether it was
    /// listened to. The server is told beside.
    pub fn remove(&self, channel: impl AsRef<str>) -> bool {
        self.shared.remove(channel.as_ref())
    }

    /// The channels, in the order of their names.
    #[must_use]
    pub fn channels(&self) -> Vec<String> {
        self.shared.channels()
    }

    /// Whether `LISTEN` is known to hold now.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        self.shared.is_listening()
    }

    /// The process id of the backend that listens, if there is a connection.
    #[must_use]
    pub fn backend_pid(&self) -> Option<i32> {
        self.shared.pid()
    }

    /// Waits for the end of the first round of connects.
    async fn started(self, has_started: oneshot::Receiver<Result<()>>) -> Result<Self> {
        self.answer(has_started, "LISTEN does not hold yet").await.map(|()| self)
    }

    /// Waits for an answer of the task, until the deadline of the scope.
    async fn answer(&self, answer: oneshot::Receiver<Result<()>>, meanwhile: &str) -> Result<()> {
        let answer = match deadline::current() {
            None => answer.await,
            Some(deadline) => match timeout_at(deadline.instant(), answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    let sentence = format!("the deadline passed: {meanwhile}");
                    return Err(Error::new(
                        Fault::DeadlinePassed,
                        Phase::Connect,
                        Outcome::NotStarted,
                        sentence,
                    ));
                }
            },
        };
        answer.unwrap_or_else(|_| Err(self.shared.error()))
    }
}

impl Stream for Listener {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Message>>> {
        self.shared.poll(cx)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.shared.left.notify_one();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("channels", &self.channels())
            .field("is_listening", &self.is_listening())
            .finish()
    }
}

/// The error of a listener behind a pooler that lends a server connection for each transaction.
#[cold]
fn behind_pooler(has_listen_url: bool) -> Error {
    let what_to_set = if has_listen_url {
        "listen_url leads to a transaction pooler too: it must lead to the server itself"
    } else {
        "set listen_url (DATABASE_LISTEN_URL) to the server itself, past the pooler; or, if the pooler lends a connection \
         for a whole session, say pooler=session"
    };
    let sentence = format!(
        "LISTEN belongs to a session, and behind a transaction pooler no client has one; {what_to_set}"
    );
    Error::new(Fault::Usage, Phase::Connect, Outcome::NotStarted, sentence)
}
