//! How many connections one work name may hold. Pure: no clock, no lock, no runtime.
//!
//! Two hundred workers that wait for one locked row hold every connection there is, and all they do with them is wait:
//! the lock of one row has become an outage of everything. A cap on the name keeps the others afloat. At most so many
//! of a capped name are *let in*: they hold a connection or stand in line for the next. The rest stand aside, in order,
//! where nobody has to step over them; when one of the name is done, the first of them takes its old place in line.
//!
//! A name is counted only by those calls that carry a cap, so one that nobody capped costs nothing.

use super::lane::{Entry, Lane};
use super::waiters::{Next, Who};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::runner::Runner;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// What is counted as one name: the words that were given, wherever they were said; else the place in the source.
struct Kind(WorkName);

impl Kind {
    fn key(&self) -> (Option<&str>, Option<&'static std::panic::Location<'static>>) {
        let name = self.0.name();
        (name, name.is_none().then(|| self.0.site()))
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Kind {}

impl Hash for Kind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

struct Hold<G> {
    inside: u32,
    aside: Lane<G>,
}

/// The names that are capped and in use.
pub(crate) struct Bulkhead<G> {
    holds: HashMap<Kind, Hold<G>>,
    aside: usize,
}

impl<G> Default for Bulkhead<G> {
    fn default() -> Self {
        Bulkhead { holds: HashMap::new(), aside: 0 }
    }
}

impl<G> Bulkhead<G> {
    /// How many stand aside.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.aside
    }

    /// Lets one in, if its name's cap allows. Whoever was let in is told of by [`Bulkhead::leave`] at its end.
    pub(crate) fn enter(&mut self, who: &Who) -> bool {
        let Some(cap) = who.cap else { return true };
        let hold = self
            .holds
            .entry(Kind(who.name.clone()))
            .or_insert_with(|| Hold { inside: 0, aside: Lane::default() });
        let is_free = hold.aside.len() == 0 && hold.inside < cap.get();
        hold.inside += u32::from(is_free);
        is_free
    }

    /// Lets one in that [`Bulkhead::enter`] has not.
    pub(crate) fn enter_anyway(&mut self, who: &Who) {
        if let Some(hold) = self.holds.get_mut(&Kind(who.name.clone())) {
            hold.inside += 1;
        }
    }

    /// Stands aside until somebody of the same name leaves.
    pub(crate) fn stand_aside(&mut self, name: &WorkName, entry: Entry<G>) {
        if let Some(hold) = self.holds.get_mut(&Kind(name.clone())) {
            hold.aside.join(entry);
            self.aside += 1;
        }
    }

    /// One that was let in has ended; says who is let in for it.
    pub(crate) fn leave(&mut self, who: &Who) -> Option<Entry<G>> {
        who.cap?;
        let kind = Kind(who.name.clone());
        let hold = self.holds.get_mut(&kind)?;
        hold.inside = hold.inside.saturating_sub(1);
        let Some(entry) = hold.aside.pop() else {
            if hold.inside == 0 {
                self.holds.remove(&kind);
            }
            return None;
        };
        hold.inside += 1;
        self.aside -= 1;
        Some(entry)
    }

    /// Whoever stands aside with this number leaves.
    pub(crate) fn remove(&mut self, name: &WorkName, serial: u64) -> Option<Next<G>> {
        let next = self.holds.get_mut(&Kind(name.clone()))?.aside.remove(serial)?;
        self.aside -= 1;
        Some(next)
    }

    /// Everybody leaves who stands aside and whose time this says has come.
    pub(crate) fn remove_where(&mut self, due: impl Fn(Moment) -> bool, into: &mut Vec<Next<G>>) {
        let before = into.len();
        self.holds.values_mut().for_each(|hold| hold.aside.remove_where(&due, into));
        self.aside -= into.len() - before;
    }

    /// When the next of those who stand aside gives up.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.holds.values().filter_map(|hold| hold.aside.earliest()).min()
    }

    /// Which tasks stand aside.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.holds.values().flat_map(|hold| hold.aside.runners())
    }
}
