//! The one task that looks at the databases, for all readers together.
//!
//! It looks each second, whether any reader is there or not: who opens the page when something is wrong wants to see how it
//! began. Without a reader that costs some numbers a second. A view is made only of a database that a reader looks at, once
//! for all of them, and what is sorted over all kinds of statements only every fifth second. Four times a second it looks
//! whether the state has changed, so that a frozen database is red when it is, and not a second later.

use super::history::{Columns, History};
use super::marks::{self, Mark, MarkKind, Marks};
use super::view::{self, Around, Brief, Lists, View};
use crate::databases::Databases;
use crate::verdict::{Matter, Verdict, none_yet, verdict};
use axum::body::Bytes;
use parking_lot::Mutex;
use plimsoll::Database;
use plimsoll::event::Event;
use plimsoll::monitor::{LockEpisode, Timestamp};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether the state has changed.
const GLANCE: Duration = Duration::from_millis(250);
/// Each so many glances there is a point and a view.
const POINT: u64 = 4;
/// Each so many points the lists are made anew.
const LISTS: u64 = 5;

/// What was seen of the databases.
pub(super) struct Seen {
    databases: Databases,
    marks: Marks,
    tracks: Mutex<Vec<Track>>,
}

/// One database.
struct Track {
    name: Arc<str>,
    db: Database,
    events: broadcast::Receiver<Event>,
    history: History,
    /// What happened to this one.
    marks: Marks,
    verdict: Verdict,
    /// When what is the matter began to be.
    began: SystemTime,
    lists: Option<Lists>,
    /// How many marks there were, and which episodes, in the last view that held them.
    marks_told: u64,
    locks_told: Vec<LockEpisode>,
    cost: Duration,
    /// A reader has come, who should not wait for the next second.
    is_awaited: bool,
    /// The latest view, for the readers of this database.
    latest: watch::Sender<Bytes>,
}

/// What a reader begins with.
pub(super) struct Beginning {
    pub(super) name: Option<Arc<str>>,
    pub(super) briefs: Vec<Brief>,
    pub(super) verdict: Verdict,
    pub(super) history: Columns,
    pub(super) marks: Vec<Mark>,
    pub(super) locks: Vec<LockEpisode>,
    pub(super) lists: Option<Lists>,
    /// `None` while there is no database.
    pub(super) latest: Option<watch::Receiver<Bytes>>,
}

impl Seen {
    pub(super) fn new(databases: Databases, marks: Marks) -> Arc<Self> {
        Arc::new(Seen { databases, marks, tracks: Mutex::default() })
    }

    /// What a reader of this database begins with; of the first, if no name is said. `None` if there is none of that name.
    pub(super) fn begin(&self, name: Option<&str>) -> Option<Beginning> {
        self.take_in();
        let mut tracks = self.tracks.lock();
        let briefs = briefs(&tracks);
        let track = match name {
            Some(name) => Some(tracks.iter_mut().find(|track| *track.name == *name)?),
            None => tracks.first_mut(),
        };
        let Some(track) = track else { return Some(Beginning::without_any(self.marks.all())) };
        let marks = both(&self.marks, &track.marks);
        track.is_awaited = true;
        let db = &track.db;
        let lists = track.lists.get_or_insert_with(|| Lists::of(db)).clone();
        Some(Beginning {
            name: Some(Arc::clone(&track.name)),
            briefs,
            verdict: track.verdict.clone(),
            history: track.history.columns(),
            marks,
            locks: db.monitor().lock_episodes(),
            lists: Some(lists),
            latest: Some(track.latest.subscribe()),
        })
    }

    /// The database that is meant.
    pub(super) fn database(&self, name: &str) -> Option<Database> {
        self.databases.named(name)
    }

    /// An operator has acted on this database, or tried to.
    pub(super) fn acted(&self, name: &str, told: &str) {
        let tracks = self.tracks.lock();
        if let Some(track) = tracks.iter().find(|track| *track.name == *name) {
            track.marks.add(MarkKind::Action, told);
        }
    }

    /// The databases that have come since.
    fn take_in(&self) {
        let all = self.databases.all();
        let mut tracks = self.tracks.lock();
        for (name, db) in all.into_iter().skip(tracks.len()) {
            tracks.push(Track::new(name, db));
        }
    }

    fn look(&self, glance: u64) {
        self.take_in();
        let mut tracks = self.tracks.lock();
        let is_point = glance.is_multiple_of(POINT);
        let has_changed: Vec<bool> = tracks.iter_mut().map(|track| track.judge()).collect();
        let briefs = briefs(&tracks);
        for (track, has_changed) in tracks.iter_mut().zip(has_changed) {
            if is_point || has_changed || std::mem::take(&mut track.is_awaited) {
                track.look(&briefs, &self.marks, is_point, glance / POINT);
            }
        }
    }
}

/// Looks until the dashboard is gone.
pub(super) async fn run(seen: Weak<Seen>) {
    let mut ticks = interval(GLANCE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for glance in 0.. {
        ticks.tick().await;
        let Some(seen) = seen.upgrade() else { break };
        seen.look(glance);
    }
}

fn briefs(tracks: &[Track]) -> Vec<Brief> {
    let brief = |track: &Track| Brief {
        name: track.name.to_string(),
        level: track.verdict.level,
        sentence: track.verdict.sentence.clone().into_owned(),
    };
    tracks.iter().map(brief).collect()
}

/// The marks of the service and those of one database, oldest first.
fn both(service: &Marks, database: &Marks) -> Vec<Mark> {
    let mut marks = [service.all(), database.all()].concat();
    marks.sort_by_key(|mark| mark.at);
    marks
}

impl Beginning {
    fn without_any(marks: Vec<Mark>) -> Self {
        Beginning {
            name: None,
            briefs: Vec::new(),
            verdict: none_yet(),
            history: Columns::default(),
            marks,
            locks: Vec::new(),
            lists: None,
            latest: None,
        }
    }
}

impl Track {
    fn new(name: Arc<str>, db: Database) -> Self {
        let mut track = Track {
            name,
            events: db.events(),
            history: History::default(),
            marks: Marks::default(),
            verdict: none_yet(),
            began: SystemTime::now(),
            lists: None,
            marks_told: 0,
            locks_told: Vec::new(),
            cost: Duration::ZERO,
            is_awaited: false,
            latest: watch::Sender::new(Bytes::new()),
            db,
        };
        track.judge();
        track
    }

    /// What is the matter now; whether that is something else than before.
    fn judge(&mut self) -> bool {
        let mut now = verdict(&self.db);
        let is_other = now.matter != self.verdict.matter;
        if is_other {
            self.began = SystemTime::now();
        }
        let is_known = now.since.is_some() || matches!(now.matter, Matter::Healthy | Matter::Idle);
        if !is_known {
            now.since = Some(Timestamp(self.began));
        }
        self.verdict = now;
        is_other
    }

    fn look(&mut self, briefs: &[Brief], marks: &Marks, is_point: bool, second: u64) {
        let began = Instant::now();
        self.hear();
        let pulse = self.db.monitor().pulse();
        let point = is_point.then(|| self.history.add(pulse.clone()));
        if self.latest.receiver_count() == 0 {
            return;
        }
        // What a slow reader has missed comes again with the lists.
        let is_whole = self.lists.is_none() || is_point && second.is_multiple_of(LISTS);
        if is_whole {
            self.lists = Some(Lists::of(&self.db));
        }
        let count = marks.count() + self.marks.count();
        let all = (is_whole || count != self.marks_told).then(|| both(marks, &self.marks));
        self.marks_told = count;
        let locks = self.db.monitor().lock_episodes();
        let are_locks_due = is_whole || locks != self.locks_told;
        let around = Around {
            name: &self.name,
            databases: briefs,
            verdict: &self.verdict,
            point: point.as_ref(),
            marks: all.as_deref(),
            locks: are_locks_due.then_some(&locks),
            lists: self.lists.as_ref().filter(|_| is_whole),
            cost: self.cost,
        };
        let line = view::line(&View::of(&self.db, &pulse, &around));
        self.locks_told = locks;
        self.latest.send_replace(line.into());
        self.cost = began.elapsed();
    }

    /// Marks what has happened since the last look.
    fn hear(&mut self) {
        loop {
            match self.events.try_recv() {
                Ok(event) => {
                    if let Some((kind, text)) = marks::of_event(&event) {
                        self.marks.add(kind, &text);
                    }
                }
                // Some were missed, while very much happened.
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
    }
}
