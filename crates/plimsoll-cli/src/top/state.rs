//! What `top` knows and shows, and how answers change it. Pure: `now` is an argument, and what is to be done is given back.

use super::look::Look;
use super::rows::{Sort, rows};
use super::service::Pools;
use jiff::{SignedDuration, Timestamp};
use plimsoll_inspect::sessions::Session;
use plimsoll_inspect::sessions::stop::Stop;

/// What came from the server, or from a service.
#[derive(Debug)]
pub(super) enum Answer {
    Looked(Box<Look>),
    /// There was no answer, and why.
    Trouble(String),
    /// What came of a stop: whether the session was told.
    Told(Box<Order>, Result<bool, String>),
    /// Of the service with this number.
    Service(usize, Result<Box<Pools>, String>),
}

/// A session that is to be stopped.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Order {
    pub(super) stop: Stop,
    pub(super) session: Session,
    /// What would be lost, as it was shown.
    pub(super) lost: String,
}

/// What takes the screen, and to which keys go.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Mode {
    #[default]
    List,
    /// A filter is written; this is what it was before.
    Filter(String),
    /// All of one session.
    Detail(Box<Session>),
    /// A stop is asked for, and not yet confirmed.
    Confirm(Box<Order>),
}

/// Something that was seen, and when.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen<T> {
    pub(super) what: T,
    pub(super) at: Timestamp,
}

/// A service that is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    /// As it was given.
    pub(super) name: String,
    pub(super) pools: Option<Seen<Box<Pools>>>,
    /// Why it does not answer, and since when.
    pub(super) trouble: Option<Seen<String>>,
}

/// How long a word on what was done stays.
const NOTICE: SignedDuration = SignedDuration::from_secs(20);

/// After this long a stop that did not show is told of.
const SHOWS_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// As many stops are followed at a time.
const FOLLOWED: usize = 16;

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Where the server is, for people.
    pub(super) server: String,
    pub(super) look: Option<Seen<Look>>,
    pub(super) transactions_per_second: Option<f64>,
    /// Why the server does not answer, and since when.
    pub(super) trouble: Option<Seen<String>>,
    pub(super) services: Vec<Service>,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) hides_idle: bool,
    pub(super) is_paused: bool,
    pub(super) mode: Mode,
    pub(super) notice: Option<Seen<String>>,
    /// The row that is chosen.
    pub(super) cursor: usize,
    /// The session that was moved to; the cursor goes with it.
    chosen: Option<Identity>,
    followed: Vec<Seen<Order>>,
}

/// A process id is used again; together with its start it is not.
type Identity = (i32, String);

fn identity(session: &Session) -> Identity {
    (session.pid, session.backend_start.clone())
}

impl State {
    pub(super) fn new(server: String, services: impl IntoIterator<Item = String>) -> Self {
        let service = |name| Service { name, ..Service::default() };
        State { server, services: services.into_iter().map(service).collect(), ..State::default() }
    }

    /// The sessions that are shown, in their order.
    pub(super) fn rows(&self) -> Vec<&Session> {
        let Some(look) = &self.look else { return Vec::new() };
        rows(&look.what.sessions, self.sort, &self.filter, self.hides_idle)
    }

    /// The session under the cursor.
    pub(super) fn under_cursor(&self) -> Option<&Session> {
        self.rows().get(self.cursor).copied()
    }

    /// The notice that is still new.
    pub(super) fn notice(&self, now: Timestamp) -> Option<&str> {
        let notice = self.notice.as_ref()?;
        (now.duration_since(notice.at) < NOTICE).then_some(notice.what.as_str())
    }

    pub(super) fn say(&mut self, what: impl Into<String>, now: Timestamp) {
        self.notice = Some(Seen { what: what.into(), at: now });
    }

    /// Takes in what came. While it is paused the screen stays as it is, but for what does not answer.
    pub(super) fn answer(&mut self, answer: Answer, now: Timestamp) {
        match answer {
            Answer::Looked(look) => self.looked(*look, now),
            Answer::Trouble(what) => {
                let at = self.trouble.as_ref().map_or(now, |trouble| trouble.at);
                self.trouble = Some(Seen { what, at });
            }
            Answer::Told(order, result) => self.told(*order, result, now),
            Answer::Service(index, result) => {
                let is_paused = self.is_paused;
                let Some(service) = self.services.get_mut(index) else { return };
                match result {
                    Ok(_) if is_paused => service.trouble = None,
                    Ok(pools) => {
                        service.trouble = None;
                        service.pools = Some(Seen { what: pools, at: now });
                    }
                    Err(what) => {
                        let at = service.trouble.as_ref().map_or(now, |trouble| trouble.at);
                        service.trouble = Some(Seen { what, at });
                    }
                }
            }
        }
    }

    fn looked(&mut self, look: Look, now: Timestamp) {
        self.trouble = None;
        self.follow(&look, now);
        if self.is_paused {
            return;
        }
        if let Some(before) = &self.look {
            let rate = look.numbers.transactions_per_second(&before.what.numbers);
            self.transactions_per_second = rate;
        }
        self.renew_mode(&look, now);
        self.look = Some(Seen { what: look, at: now });
        self.place_cursor();
    }

    /// What is shown of one session is what it does now; and what would be lost with it is told of what it does now.
    fn renew_mode(&mut self, look: &Look, now: Timestamp) {
        let same = |session: &Session| {
            let found = look.sessions.of(session.pid);
            found.filter(|found| found.backend_start == session.backend_start)
        };
        match &mut self.mode {
            Mode::List | Mode::Filter(_) => {}
            Mode::Detail(session) => match same(session) {
                Some(found) => **session = found.clone(),
                None => {
                    let ended = format!("session {} has ended", session.pid);
                    self.mode = Mode::List;
                    self.say(ended, now);
                }
            },
            Mode::Confirm(order) => {
                let is_same_work = |found: &&Session| {
                    order.stop == Stop::Terminate
                        || (found.is_active() && found.query_start == order.session.query_start)
                };
                match same(&order.session).filter(is_same_work) {
                    Some(found) => **order = super::keys::order(order.stop, found),
                    None => {
                        let pid = order.session.pid;
                        self.mode = Mode::List;
                        self.say(
                            format!(
                                "session {pid} has ended, or does something else by now: it was not stopped"
                            ),
                            now,
                        );
                    }
                }
            }
        }
    }

    fn told(&mut self, order: Order, result: Result<bool, String>, now: Timestamp) {
        let pid = order.session.pid;
        match result {
            Ok(true) => {
                self.say(format!("session {pid} was told to {}", what_it_does(order.stop)), now);
                self.followed.push(Seen { what: order, at: now });
                let too_many = self.followed.len().saturating_sub(FOLLOWED);
                self.followed.drain(..too_many);
            }
            Ok(false) => {
                self.say(format!("session {pid} was not stopped: it had ended, or did something else"), now);
            }
            Err(why) => self.say(format!("session {pid} was not stopped: {why}"), now),
        }
    }

    /// Whether the stops have shown.
    fn follow(&mut self, look: &Look, now: Timestamp) {
        let mut news = None;
        self.followed.retain(|Seen { what: order, at }| {
            let (pid, stop) = (order.session.pid, order.stop);
            let found = look.sessions.of(pid);
            let same = found.filter(|found| found.backend_start == order.session.backend_start);
            let goes_on = match stop {
                Stop::Terminate => same.is_some(),
                Stop::Cancel => same.is_some_and(|it| it.is_active() && it.query_start == order.session.query_start),
            };
            let done = match stop {
                Stop::Terminate => format!("session {pid} has ended"),
                Stop::Cancel => format!("the statement of session {pid} has ended"),
            };
            match (goes_on, now.duration_since(*at) >= SHOWS_WITHIN) {
                (false, _) => news = Some(done),
                (true, true) => {
                    let told = what_it_does(stop);
                    news = Some(format!(
                        "session {pid} was told to {told} and goes on: it may be in a call that cannot be interrupted"
                    ));
                }
                (true, false) => return true,
            }
            false
        });
        if let Some(news) = news {
            self.say(news, now);
        }
    }

    /// Moves the cursor to this row, and makes it stay with the session there.
    pub(super) fn move_to(&mut self, row: usize) {
        self.cursor = row.min(self.rows().len().saturating_sub(1));
        self.chosen = self.under_cursor().map(identity);
    }

    /// To the first row, whichever session is there.
    pub(super) fn move_to_top(&mut self) {
        self.cursor = 0;
        self.chosen = None;
    }

    /// After the rows have changed: to the session that was chosen, or as near as there is a row.
    pub(super) fn place_cursor(&mut self) {
        let place = self.chosen.as_ref().and_then(|chosen| {
            self.rows()
                .iter()
                .position(|session| session.pid == chosen.0 && session.backend_start == chosen.1)
        });
        self.cursor = place.unwrap_or(self.cursor.min(self.rows().len().saturating_sub(1)));
    }
}

fn what_it_does(stop: Stop) -> &'static str {
    match stop {
        Stop::Cancel => "cancel its statement",
        Stop::Terminate => "end",
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::{look, pile};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_359_200 + second).unwrap()
    }

    fn seen() -> State {
        let mut state = State::new("db:5432".to_owned(), ["http://a".to_owned()]);
        state.answer(Answer::Looked(Box::new(look())), at(0));
        state
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_of_until_it_does() {
        let mut state = seen();
        state.answer(Answer::Trouble("refused".to_owned()), at(2));
        state.answer(Answer::Trouble("no route".to_owned()), at(4));
        let trouble = state.trouble.clone().unwrap();
        assert_eq!((trouble.what.as_str(), trouble.at), ("no route", at(2)), "since the first failure");
        assert_eq!(state.look.as_ref().unwrap().at, at(0), "what was seen last stays");
        state.answer(Answer::Looked(Box::new(look())), at(6));
        assert!(state.trouble.is_none() && state.look.unwrap().at == at(6));
    }

    #[test]
    fn a_pause_keeps_what_is_shown_and_tells_of_trouble() {
        let mut state = seen();
        state.is_paused = true;
        state.answer(Answer::Looked(Box::default()), at(2));
        assert_eq!((state.rows().len(), state.look.as_ref().unwrap().at), (6, at(0)));
        state.answer(Answer::Trouble("gone".to_owned()), at(4));
        assert!(state.trouble.is_some());
        state.answer(Answer::Looked(Box::default()), at(6));
        assert!(state.trouble.is_none());
    }

    #[test]
    fn the_rate_is_that_between_two_looks() {
        let mut state = seen();
        assert_eq!(state.transactions_per_second, None);
        let mut next = look();
        (next.numbers.transactions, next.numbers.clock_seconds) = (1400, 102.0);
        state.answer(Answer::Looked(Box::new(next)), at(2));
        assert_eq!(state.transactions_per_second, Some(200.0));
    }

    #[test]
    fn the_cursor_goes_with_the_session_it_was_moved_to() {
        let mut state = seen();
        state.move_to(2);
        assert_eq!(state.under_cursor().unwrap().pid, 4712);
        let mut next = look();
        next.sessions.sessions.retain(|session| session.pid != 4711);
        state.answer(Answer::Looked(Box::new(next.clone())), at(2));
        assert_eq!((state.cursor, state.under_cursor().unwrap().pid), (1, 4712));
        next.sessions.sessions.truncate(1);
        state.answer(Answer::Looked(Box::new(next)), at(4));
        assert_eq!(state.cursor, 0, "where it has ended, the cursor is on a row that there is");
        state.answer(Answer::Looked(Box::default()), at(6));
        assert!(state.under_cursor().is_none());
    }

    #[test]
    fn a_stop_is_followed_until_it_shows_or_does_not() {
        let order = |stop| super::super::keys::order(stop, pile().of(4713).unwrap());
        let mut state = seen();
        state.answer(Answer::Told(Box::new(order(Stop::Cancel)), Ok(true)), at(0));
        assert_eq!(state.notice(at(1)), Some("session 4713 was told to cancel its statement"));
        state.answer(Answer::Looked(Box::new(look())), at(2));
        assert_eq!(state.notice(at(2)), Some("session 4713 was told to cancel its statement"));
        state.answer(Answer::Looked(Box::new(look())), at(6));
        assert!(state.notice(at(6)).unwrap().contains("was told to cancel its statement and goes on"));
        assert_eq!(state.notice(at(60)), None, "it is no news any more");

        state.answer(Answer::Told(Box::new(order(Stop::Terminate)), Ok(true)), at(60));
        let mut next = look();
        next.sessions.sessions.retain(|session| session.pid != 4713);
        state.answer(Answer::Looked(Box::new(next)), at(61));
        assert_eq!(state.notice(at(61)), Some("session 4713 has ended"));
        state.answer(Answer::Told(Box::new(order(Stop::Cancel)), Err("not allowed".to_owned())), at(62));
        assert_eq!(state.notice(at(62)), Some("session 4713 was not stopped: not allowed"));
    }

    #[test]
    fn services_are_told_of_each_by_itself() {
        let mut state = seen();
        state.answer(Answer::Service(0, Ok(Box::default())), at(1));
        state.answer(Answer::Service(0, Err("refused".to_owned())), at(3));
        let service = &state.services[0];
        assert_eq!(
            (service.pools.as_ref().unwrap().at, service.trouble.as_ref().unwrap().at),
            (at(1), at(3))
        );
        state.answer(Answer::Service(7, Err("there is none".to_owned())), at(4));
        state.answer(Answer::Service(0, Ok(Box::default())), at(5));
        assert!(state.services[0].trouble.is_none());
    }
}
