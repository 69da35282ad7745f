//! Which sessions are meant. All that was said has to fit; nothing said means nothing, since a stop of everything has to be
//! asked for.

use super::session::Session;
use std::time::Duration;

/// What was said of the sessions that are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// One of these.
    pub pids: Vec<i32>,
    /// Their application name is this; `*` stands for any characters.
    pub application: Option<String>,
    /// Their role is this; `*` stands for any characters.
    pub user: Option<String>,
    /// Their statement holds this text, whatever the case of its letters.
    pub query: Option<String>,
    /// What they do has gone on for at least so long: see [`Session::age`].
    pub older_than: Option<Duration>,
    /// They stand still in a transaction.
    pub idle_in_transaction: bool,
    /// Each session that others wait for and that waits for nobody.
    pub blocking: bool,
}

/// Why a session is left alone though it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftAlone {
    /// The server's own work, or replication: only meant where its process id was given.
    NotAClient,
    /// Nothing runs in it and it is in no transaction: there is nothing to stop.
    NothingToStop,
    /// It stands still in its transaction: there is nothing to cancel, only the session can be ended.
    StandsStill,
    /// It is hidden from the role that asks.
    Hidden,
}

impl LeftAlone {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            LeftAlone::NotAClient => "it is no client's session; give its process id if it is meant",
            LeftAlone::NothingToStop => "nothing runs in it and it is in no transaction",
            LeftAlone::StandsStill => {
                "it stands still in its transaction, so there is nothing to cancel: `plimsoll terminate` ends it, or --escalate"
            }
            LeftAlone::Hidden => "what it does is hidden from the role that asks: GRANT pg_read_all_stats",
        }
    }
}

impl Choice {
    /// Whether anything was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Choice::default()
    }

    /// Whether this session is meant; `is_root` says that others wait for it and it waits for none.
    #[must_use]
    pub fn means(&self, session: &Session, is_root: bool) -> bool {
        let fits = |pattern: &Option<String>, text: Option<&str>| {
            pattern.as_ref().is_none_or(|pattern| text.is_some_and(|text| matches(pattern, text)))
        };
        let holds = |part: &String| {
            let query = session.query.as_deref().unwrap_or_default();
            query.to_lowercase().contains(&part.to_lowercase())
        };
        !self.is_empty()
            && (self.pids.is_empty() || self.pids.contains(&session.pid))
            && fits(&self.application, Some(&session.application_name))
            && fits(&self.user, session.user.as_deref())
            && self.query.as_ref().is_none_or(holds)
            && self.older_than.is_none_or(|least| session.age().is_some_and(|age| age >= least))
            && (!self.idle_in_transaction || session.is_idle_in_transaction())
            && (!self.blocking || is_root)
    }

    /// Why a session that is meant is left alone.
    #[must_use]
    pub fn leaves_alone(&self, session: &Session, terminates: bool) -> Option<LeftAlone> {
        if !terminates && session.is_idle_in_transaction() {
            return Some(LeftAlone::StandsStill);
        }
        if self.pids.contains(&session.pid) {
            let does_nothing = session.state.as_deref() == Some("idle") && !terminates;
            return does_nothing.then_some(LeftAlone::NothingToStop);
        }
        match session.kind.as_deref() {
            None => return Some(LeftAlone::Hidden),
            Some("client backend" | "parallel worker") => {}
            Some(_) => return Some(LeftAlone::NotAClient),
        }
        let has_something = session.is_active() || session.is_idle_in_transaction();
        // A cancel does nothing to a session that stands still, in a transaction or not.
        let can_be_stopped = if terminates { has_something } else { session.is_active() };
        (!can_be_stopped).then_some(LeftAlone::NothingToStop)
    }
}

/// Whether the text is as the pattern says, in which `*` stands for any characters.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> Session {
        Session {
            pid: 7,
            application_name: "billing-worker".to_owned(),
            user: Some("app".to_owned()),
            kind: Some("client backend".to_owned()),
            state: Some("active".to_owned()),
            statement_for: Some(Duration::from_secs(60)),
            query: Some("SELECT * FROM Orders".to_owned()),
            ..Session::default()
        }
    }

    #[test]
    fn all_that_was_said_has_to_fit() {
        let session = session();
        let fits = |choice: Choice| choice.means(&session, false);
        assert!(!fits(Choice::default()), "nothing said means nothing");
        assert!(fits(Choice {
            application: Some("billing-*".into()),
            query: Some("from orders".into()),
            ..Choice::default()
        }));
        assert!(!fits(Choice { application: Some("billing".into()), ..Choice::default() }));
        assert!(!fits(Choice {
            application: Some("billing-*".into()),
            user: Some("other".into()),
            ..Choice::default()
        }));
        assert!(fits(Choice { older_than: Some(Duration::from_secs(60)), ..Choice::default() }));
        assert!(!fits(Choice { older_than: Some(Duration::from_secs(61)), ..Choice::default() }));
        assert!(!fits(Choice { blocking: true, ..Choice::default() }));
        assert!(Choice { blocking: true, ..Choice::default() }.means(&session, true));
    }

    #[test]
    fn what_is_no_client_or_does_nothing_is_left_alone() {
        let choice = Choice { user: Some("*".into()), ..Choice::default() };
        let of = |state: &str, kind: &str| Session {
            state: Some(state.into()),
            kind: Some(kind.into()),
            ..session()
        };
        assert_eq!(choice.leaves_alone(&of("active", "client backend"), false), None);
        assert_eq!(choice.leaves_alone(&of("active", "walsender"), true), Some(LeftAlone::NotAClient));
        assert_eq!(choice.leaves_alone(&of("idle", "client backend"), true), Some(LeftAlone::NothingToStop));
        assert_eq!(
            choice.leaves_alone(&of("idle in transaction", "client backend"), false),
            Some(LeftAlone::StandsStill)
        );
        assert_eq!(choice.leaves_alone(&of("idle in transaction", "client backend"), true), None);
        assert_eq!(choice.leaves_alone(&Session::default(), true), Some(LeftAlone::Hidden));
        let named = Choice { pids: vec![7], ..Choice::default() };
        assert_eq!(named.leaves_alone(&of("active", "walsender"), true), None);
    }

    proptest! {
        /// The pattern is what a regular expression would say.
        #[test]
        fn a_star_stands_for_any_characters(pattern in "[ab*]{0,8}", text in "[ab]{0,8}") {
            fn slow(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) if slow(rest, text) => true,
                    ([b'*', ..], [_, after @ ..]) => slow(pattern, after),
                    ([one, rest @ ..], [other, after @ ..]) if one == other => slow(rest, after),
                    _ => false,
                }
            }
            prop_assert_eq!(matches(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
