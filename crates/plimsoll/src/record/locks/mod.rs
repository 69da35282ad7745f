//! Pile-ups behind locks, kept for 15 minutes, so that a stall can still be explained when it is over.
//!
//! Each look at the server shows which sessions wait for which at that moment. What was seen in one look and in the next is
//! the same episode if they have a session in common: while fifty wait for a row and the first of them gets it, the others
//! wait for the first, and that is no new pile-up.
//!
//! On a busy server some session waits for a moment at nearly any time. That is no pile-up: an episode begins when a wait
//! has lasted for a tenth of a second. The memory is bounded: so many episodes, and of each so many names, whatever the
//! server shows. If there are too many, those that were over soonest make room, so that short ones do not push out the one
//! that is looked for.

mod episode;
mod history;

pub(crate) use episode::LeaseName;
pub use episode::{Blocker, LockEpisode, WaitingWork};
pub use history::LockHistory;

use super::time::Timestamp;
use crate::moment::Moment;
use crate::sql::fingerprint;
use episode::seconds;
use plimsoll_inspect::blocking::{Blocking, Pile, Session};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

/// How long an episode is kept after its end.
pub(crate) const KEPT: Duration = Duration::from_secs(15 * 60);
/// A wait that is shorter does not make an episode.
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// Episodes that are kept.
const EPISODES: usize = 64;
/// Blockers that are kept of an episode.
const BLOCKERS: usize = 4;
/// Names of waiting work that are kept of an episode.
const NAMES: usize = 8;
/// The longest text of a statement that is kept, in bytes.
const TEXT: usize = 1_024;
/// What was seen longer ago does not explain what happens now: three looks.
const FRESH: Duration = Duration::from_secs(3);

/// One look at the server.
pub(crate) struct Look<'a> {
    pub(crate) seen: &'a Blocking,
    /// The connections of this pool among those sessions.
    pub(crate) names: &'a HashMap<i32, LeaseName>,
    pub(crate) now: Moment,
    /// The same by the calendar.
    pub(crate) at: SystemTime,
}

/// The episodes, oldest first.
#[derive(Debug, Default)]
pub(crate) struct LockRecord {
    episodes: VecDeque<Kept>,
}

/// An episode, and what is needed to go on with it.
#[derive(Debug)]
struct Kept {
    told: LockEpisode,
    began: Moment,
    last: Moment,
    is_reported: bool,
    /// Who took part, in the last look and in the one that is being read.
    before: Parties,
    now: Parties,
}

/// Who takes part at one moment; empty once an episode is over.
#[derive(Debug, Default)]
struct Parties {
    pids: Vec<i32>,
    /// The sessions that wait, and how many wait beside those.
    waiters: Vec<i32>,
    unlisted: u64,
    names: HashMap<String, u64>,
    /// Connections of this pool wait.
    has_own: bool,
}

impl LockRecord {
    /// Takes in what was seen; gives the episodes that have just lasted for as long as `report_after`.
    pub(crate) fn observe(&mut self, look: &Look<'_>, report_after: Option<Duration>) -> Vec<LockEpisode> {
        let piles = look.seen.piles();
        let listed: u64 = piles.iter().map(|pile| pile.waiters.len() as u64).sum();
        // The largest pile is taken to be the one that did not fit into the answer.
        let mut unlisted = look.seen.lock_waits.saturating_sub(listed);
        for pile in &piles {
            let known = self.episodes.iter().position(|kept| kept.before.has_any_of(pile));
            if known.is_none() && longest_wait(pile) < LEAST_WAIT {
                continue;
            }
            let place = known.unwrap_or_else(|| {
                self.episodes.push_back(Kept::new(look));
                self.episodes.len() - 1
            });
            if let Some(kept) = self.episodes.get_mut(place) {
                kept.add(pile, look);
                kept.now.unlisted += std::mem::take(&mut unlisted);
            }
        }
        self.episodes.iter_mut().for_each(Kept::turn);
        self.forget(look.now);
        let due = |kept: &&mut Kept| {
            kept.is_open()
                && !kept.is_reported
                && report_after.is_some_and(|after| kept.last.since(kept.began) >= after)
        };
        self.episodes
            .iter_mut()
            .filter(due)
            .map(|kept| {
                kept.is_reported = true;
                kept.told.clone()
            })
            .collect()
    }

    /// No session waits for a lock.
    pub(crate) fn observe_none(&mut self, now: Moment) {
        self.episodes.iter_mut().for_each(Kept::turn);
        self.forget(now);
    }

    /// The episodes of the last 15 minutes, oldest first.
    pub(crate) fn episodes(&mut self, now: Moment) -> Vec<LockEpisode> {
        self.forget(now);
        self.episodes.iter().map(|kept| kept.told.clone()).collect()
    }

    /// Who keeps this session waiting, if that was seen since then.
    pub(crate) fn blocker_of(&self, pid: i32, since: Moment) -> Option<String> {
        let kept =
            self.episodes.iter().find(|kept| kept.last >= since && kept.before.waiters.contains(&pid))?;
        let blocker = kept.told.blockers.iter().find(|blocker| blocker.last_seen == kept.told.last_seen)?;
        Some(format!("it waited for {}, blocked by {blocker}", kept.told.lock()))
    }

    /// The largest pile-up in which connections of this pool wait now.
    pub(crate) fn own_pile_up(&self, now: Moment) -> Option<String> {
        let own = self.episodes.iter().filter(|kept| kept.before.has_own && now.since(kept.last) <= FRESH);
        own.max_by_key(|kept| kept.before.waiting()).map(|kept| kept.told.to_string())
    }

    fn forget(&mut self, now: Moment) {
        self.episodes.retain(|kept| now.since(kept.last) < KEPT);
        while self.episodes.len() > EPISODES {
            let least = |(_, kept): &(usize, &Kept)| (kept.is_open(), kept.last.since(kept.began));
            let Some((place, _)) = self.episodes.iter().enumerate().min_by_key(least) else { return };
            self.episodes.remove(place);
        }
    }
}

impl Parties {
    fn has_any_of(&self, pile: &Pile<'_>) -> bool {
        pile.roots.iter().chain(&pile.waiters).any(|session| self.pids.contains(&session.pid))
    }

    fn waiting(&self) -> u64 {
        self.waiters.len() as u64 + self.unlisted
    }
}

impl Kept {
    fn new(look: &Look<'_>) -> Self {
        let at = Timestamp(look.at);
        Kept {
            told: LockEpisode {
                began: at,
                last_seen: at,
                lasted_seconds: 0.0,
                is_over: false,
                lock_type: None,
                mode: None,
                object: None,
                most_waiting: 0,
                longest_wait_seconds: 0.0,
                blockers: Vec::new(),
                has_more_blockers: false,
                waiting: Vec::new(),
                is_partial: false,
            },
            began: look.now,
            last: look.now,
            is_reported: false,
            before: Parties::default(),
            now: Parties::default(),
        }
    }

    fn is_open(&self) -> bool {
        !self.before.pids.is_empty()
    }

    /// Sessions that hang together now belong to this episode.
    fn add(&mut self, pile: &Pile<'_>, look: &Look<'_>) {
        let longest = longest_wait(pile);
        let began = look.now.earlier_by(crate::moment::nanos(longest));
        if began < self.began {
            self.began = began;
            self.told.began = Timestamp(look.at.checked_sub(longest).unwrap_or(look.at));
        }
        self.last = look.now;
        let told = &mut self.told;
        told.last_seen = Timestamp(look.at);
        told.lasted_seconds = seconds(self.last.since(self.began));
        told.longest_wait_seconds = told.longest_wait_seconds.max(seconds(longest));
        told.is_partial |= !look.seen.sees_all;
        name_lock(told, pile);
        pile.roots.iter().for_each(|root| add_blocker(told, root, look));
        self.now.pids.extend(pile.roots.iter().chain(&pile.waiters).map(|session| session.pid));
        for waiter in &pile.waiters {
            self.now.waiters.push(waiter.pid);
            let own = look.names.get(&waiter.pid);
            self.now.has_own |= own.is_some();
            let name = own.map_or(&waiter.application_name, |own| &own.work);
            *self.now.names.entry(name.clone()).or_default() += 1;
        }
    }

    /// All of a look has been read.
    fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
        self.told.is_over = !self.is_open();
        self.told.most_waiting = self.told.most_waiting.max(self.before.waiting());
        let mut names: Vec<_> = std::mem::take(&mut self.before.names).into_iter().collect();
        names.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        for (name, count) in names {
            let waiting = &mut self.told.waiting;
            if let Some(known) = waiting.iter_mut().find(|known| known.name == name) {
                known.most = known.most.max(count);
            } else if waiting.len() < NAMES {
                waiting.push(WaitingWork { name, most: count });
            }
        }
    }
}

fn longest_wait(pile: &Pile<'_>) -> Duration {
    pile.waiters.first().map(|waiter| waiter.waited()).unwrap_or_default()
}

/// Keeps for which lock they wait: that of the one that has waited longest, and if the server does not tell of which table
/// that is, of the first one of which it does.
fn name_lock(told: &mut LockEpisode, pile: &Pile<'_>) {
    if told.object.is_some() {
        return;
    }
    let mut waits = pile.waiters.iter().filter_map(|waiter| waiter.wait.as_ref());
    let Some(first) = waits.clone().next() else { return };
    let wait = waits.find(|wait| wait.object.is_some()).unwrap_or(first);
    if told.mode.is_none() || wait.object.is_some() {
        told.lock_type.clone_from(&wait.lock_type);
        told.mode.clone_from(&wait.mode);
        told.object.clone_from(&wait.object);
    }
}

fn add_blocker(told: &mut LockEpisode, root: &Session, look: &Look<'_>) {
    let name = look.names.get(&root.pid);
    let work = name.map(|name| name.work.clone());
    let request_id = name.and_then(|name| name.request_id.clone());
    // The same session may do another work by now, or another request's.
    let is_same = |known: &Blocker| {
        known.pid == root.pid
            && (name.is_none()
                || (known.work.as_ref(), known.request_id.as_ref()) == (work.as_ref(), request_id.as_ref()))
    };
    let known = told.blockers.iter().position(is_same);
    let kept = known.and_then(|place| told.blockers.get(place));
    let blocker = Blocker {
        pid: root.pid,
        work: work.or_else(|| kept.and_then(|kept| kept.work.clone())),
        request_id: request_id.or_else(|| kept.and_then(|kept| kept.request_id.clone())),
        application_name: root.application_name.clone(),
        user: root.user.clone(),
        client: root.client.clone(),
        state: root.state.clone(),
        state_seconds: root.state_for.map(seconds),
        transaction_seconds: root.transaction_for.map(seconds),
        last_statement: root.query.as_deref().map(shown),
        last_seen: Timestamp(look.at),
    };
    if let Some(kept) = known.and_then(|place| told.blockers.get_mut(place)) {
        *kept = blocker;
    } else if told.blockers.len() < BLOCKERS {
        told.blockers.push(blocker);
    } else {
        told.has_more_blockers = true;
    }
}

/// A statement of any session, without its constants. How that session reads strings is not known.
fn shown(query: &str) -> String {
    let mut text = fingerprint::normalise(query, None).text;
    let end = (0..=TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}

#[cfg(test)]
mod tests;
