//! What a key does. Pure: what is to be done outside is given back.

use super::rows::Sort;
use super::state::{Mode, Order, State};
use jiff::Timestamp;
use plimsoll_inspect::sessions::Session;
use plimsoll_inspect::sessions::stop::Stop;
use plimsoll_inspect::sessions::victim::loss;

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asked {
    Leave,
    Stop(Box<Order>),
}

/// The longest filter.
const LONGEST_FILTER: usize = 60;

/// So many rows are passed by a page key.
const PAGE: usize = 10;

impl State {
    /// Does what the key says.
    pub(super) fn key(&mut self, key: Key, now: Timestamp) -> Option<Asked> {
        // What was said before this key has been read.
        self.notice = None;
        match std::mem::take(&mut self.mode) {
            Mode::List => self.in_list(key, now),
            Mode::Filter(before) => {
                self.in_filter(key, before);
                None
            }
            Mode::Detail(session) => self.in_detail(key, session, now),
            Mode::Confirm(order) => {
                if key == Key::Char('y') {
                    self.say(format!("session {} is being stopped", order.session.pid), now);
                    return Some(Asked::Stop(order));
                }
                self.say(format!("session {} was left alone", order.session.pid), now);
                None
            }
        }
    }

    fn in_list(&mut self, key: Key, now: Timestamp) -> Option<Asked> {
        let last = self.rows().len().saturating_sub(1);
        match key {
            Key::Char('q') => return Some(Asked::Leave),
            Key::Char('a') => self.sort_by(Sort::Age),
            Key::Char('w') => self.sort_by(Sort::Wait),
            Key::Char('u') => self.sort_by(Sort::User),
            Key::Char('i') => {
                self.hides_idle = !self.hides_idle;
                self.place_cursor();
            }
            Key::Char(' ') => self.is_paused = !self.is_paused,
            Key::Char('/') => self.mode = Mode::Filter(self.filter.clone()),
            Key::Escape => {
                self.filter.clear();
                self.place_cursor();
            }
            Key::Up | Key::Char('k') => self.move_to(self.cursor.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.move_to(self.cursor.saturating_add(1)),
            Key::PageUp => self.move_to(self.cursor.saturating_sub(PAGE)),
            Key::PageDown => self.move_to(self.cursor.saturating_add(PAGE)),
            Key::Home => self.move_to_top(),
            Key::End => self.move_to(last),
            Key::Enter => {
                if let Some(session) = self.under_cursor().cloned() {
                    self.mode = Mode::Detail(Box::new(session));
                }
            }
            Key::Char('c') => self.ask_to(Stop::Cancel, self.under_cursor().cloned(), now),
            Key::Char('t') => self.ask_to(Stop::Terminate, self.under_cursor().cloned(), now),
            Key::Char(_) | Key::Backspace => {}
        }
        None
    }

    fn sort_by(&mut self, sort: Sort) {
        self.sort = sort;
        self.place_cursor();
    }

    fn in_filter(&mut self, key: Key, before: String) {
        match key {
            Key::Enter => return,
            Key::Escape => {
                self.filter = before;
                self.place_cursor();
                return;
            }
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Char(written) if !written.is_control() && self.filter.chars().count() < LONGEST_FILTER => {
                self.filter.push(written);
            }
            _ => {}
        }
        self.place_cursor();
        self.mode = Mode::Filter(before);
    }

    fn in_detail(&mut self, key: Key, session: Box<Session>, now: Timestamp) -> Option<Asked> {
        match key {
            Key::Char('q') => return Some(Asked::Leave),
            Key::Escape | Key::Enter => {}
            Key::Char('c') => self.ask_to(Stop::Cancel, Some(*session), now),
            Key::Char('t') => self.ask_to(Stop::Terminate, Some(*session), now),
            Key::Char(' ') => {
                self.is_paused = !self.is_paused;
                self.mode = Mode::Detail(session);
            }
            _ => self.mode = Mode::Detail(session),
        }
        None
    }

    /// Shows what would be lost, and waits for a yes; or says why there is nothing to ask.
    fn ask_to(&mut self, stop: Stop, session: Option<Session>, now: Timestamp) {
        let Some(session) = session else { return };
        let pid = session.pid;
        if self.trouble.is_some() {
            return self.say("the server does not answer now, so no session can be stopped", now);
        }
        if session.kind.is_none() {
            let hidden =
                "is hidden from this role, so it cannot be told what would be lost: GRANT pg_read_all_stats";
            return self.say(format!("what session {pid} does {hidden}"), now);
        }
        if stop == Stop::Cancel && !session.is_active() {
            return self.say(
                format!("nothing runs in session {pid}, so there is nothing to cancel; t ends it"),
                now,
            );
        }
        self.mode = Mode::Confirm(Box::new(order(stop, &session)));
    }
}

/// The stop of this session, with what would be lost.
pub(super) fn order(stop: Stop, session: &Session) -> Order {
    Order { stop, session: session.clone(), lost: loss(session, stop == Stop::Terminate) }
}

#[cfg(test)]
mod tests {
    use super::super::made::look;
    use super::super::state::Answer;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_772_359_200).unwrap()
    }

    fn seen() -> State {
        let mut state = State::default();
        state.answer(Answer::Looked(Box::new(look())), now());
        state
    }

    fn press(state: &mut State, keys: &str) -> Option<Asked> {
        keys.chars().fold(None, |_, key| {
            let key = match key {
                '\n' => Key::Enter,
                '\u{1b}' => Key::Escape,
                '\u{8}' => Key::Backspace,
                key => Key::Char(key),
            };
            state.key(key, now())
        })
    }

    fn pids(state: &State) -> Vec<i32> {
        state.rows().iter().map(|session| session.pid).collect()
    }

    #[test]
    fn letters_sort_and_a_filter_takes_them_as_text() {
        let mut state = seen();
        press(&mut state, "w");
        assert_eq!(state.sort, Sort::Wait);
        press(&mut state, "/quit?\u{8}\u{8}\u{8}\u{8}\u{8}checkout\n");
        assert_eq!((state.filter.as_str(), pids(&state)), ("checkout", vec![4713, 4712]));
        press(&mut state, "/xyz");
        assert!(pids(&state).is_empty() && state.under_cursor().is_none());
        press(&mut state, "\u{1b}");
        assert_eq!(state.filter, "checkout", "escape takes back what was written");
        press(&mut state, "\u{1b}u");
        assert_eq!((state.filter.as_str(), state.sort), ("", Sort::User));
        let long = "x".repeat(500);
        press(&mut state, &format!("/{long}"));
        assert_eq!(state.filter.len(), LONGEST_FILTER);
    }

    #[test]
    fn the_cursor_moves_within_the_rows() {
        let mut state = seen();
        for (key, expected) in [
            (Key::Up, 0),
            (Key::Down, 1),
            (Key::Char('j'), 2),
            (Key::PageDown, 5),
            (Key::Down, 5),
            (Key::Char('k'), 4),
            (Key::Home, 0),
            (Key::End, 5),
            (Key::PageUp, 0),
        ] {
            assert_eq!(state.key(key, now()), None);
            assert_eq!(state.cursor, expected, "{key:?}");
        }
        let mut none = State::default();
        press(&mut none, "jk\nctGawu i");
        assert_eq!(none.mode, Mode::List);
    }

    #[test]
    fn nothing_is_stopped_without_a_yes() {
        let mut state = seen();
        press(&mut state, "t");
        let Mode::Confirm(order) = state.mode.clone() else { panic!("{:?}", state.mode) };
        assert_eq!((order.session.pid, order.stop), (4711, Stop::Terminate));
        assert!(
            order.lost.contains("with changes to orders, orders_pkey; the session ends"),
            "{}",
            order.lost
        );
        for key in ["n", "\u{1b}", "\n", "q", "t"] {
            assert_eq!(press(&mut state, key), None, "{key:?}");
            assert_eq!(state.mode, Mode::List, "{key:?}");
            press(&mut state, "t");
        }
        assert_eq!(press(&mut state, "y"), Some(Asked::Stop(order)));
        assert_eq!(press(&mut state, "y"), None, "a yes stops one");
    }

    #[test]
    fn what_cannot_be_stopped_is_said_and_not_asked() {
        let mut state = seen();
        press(&mut state, "c");
        assert_eq!(state.mode, Mode::List);
        assert!(state.notice(now()).unwrap().contains("nothing runs in session 4711"));
        let mut hidden = look();
        hidden.sessions.sessions.truncate(1);
        let session = &mut hidden.sessions.sessions[0];
        (session.kind, session.state) = (None, None);
        state.answer(Answer::Looked(Box::new(hidden)), now());
        press(&mut state, "t");
        assert!(state.mode == Mode::List && state.notice(now()).unwrap().contains("GRANT pg_read_all_stats"));
        let mut state = seen();
        state.answer(Answer::Trouble("gone".to_owned()), now());
        press(&mut state, "t");
        assert!(state.mode == Mode::List && state.notice(now()).unwrap().contains("does not answer"));
    }

    /// Between the question and the yes the session may come to another statement, which was not agreed to.
    #[test]
    fn a_cancel_is_of_the_statement_that_was_shown() {
        let mut state = seen();
        press(&mut state, "jc");
        let Mode::Confirm(order) = state.mode.clone() else { panic!("{:?}", state.mode) };
        assert_eq!(order.session.pid, 4713);
        let mut next = look();
        for session in &mut next.sessions.sessions {
            session.transaction_for = session.transaction_for.map(|age| age * 2);
        }
        state.answer(Answer::Looked(Box::new(next.clone())), now());
        let Mode::Confirm(order) = state.mode.clone() else { panic!("{:?}", state.mode) };
        assert!(order.lost.contains("of 5 min"), "what would be lost is that of now: {}", order.lost);
        for session in &mut next.sessions.sessions {
            session.query_start = "2026-03-01 10:00:00".to_owned();
        }
        state.answer(Answer::Looked(Box::new(next)), now());
        assert_eq!(state.mode, Mode::List);
        assert!(state.notice(now()).unwrap().contains("does something else by now"));
        assert_eq!(press(&mut state, "y"), None);
    }

    #[test]
    fn a_detail_stays_with_its_session() {
        let mut state = seen();
        press(&mut state, "j\n");
        assert!(matches!(&state.mode, Mode::Detail(session) if session.pid == 4713));
        press(&mut state, "awx");
        assert!(matches!(&state.mode, Mode::Detail(session) if session.pid == 4713));
        press(&mut state, "c");
        assert!(matches!(&state.mode, Mode::Confirm(order) if order.session.pid == 4713));
        press(&mut state, "n\n");
        state.answer(Answer::Looked(Box::default()), now());
        assert!(state.mode == Mode::List && state.notice(now()) == Some("session 4713 has ended"));
        assert_eq!(press(&mut state, "q"), Some(Asked::Leave));
    }
}
