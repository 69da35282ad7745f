//! How many connections one work name may hold.
//!
//! Two hundred workers that wait for one locked row hold every connection there is, and all they do with them is wait:
//! the lock of one row has become an outage of everything. A cap on the name keeps the other work going. At most so
//! many requests of a capped name are *let in*: they hold a connection or stand in line for the next. The others stand
//! *aside*, in order, where no line has to step over them; when a request of the name ends, the first of them takes its
//! old place in line.
//!
//! A name is counted only by those requests that carry a cap, so a name without a cap costs nothing.

use super::lane::{Entry, Lane, Waiter};
use crate::moment::Moment;
use crate::name::WorkName;
use crate::rules::request::Request;
use crate::runner::Runner;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

/// What is counted as one name: the given words, wherever they were given; else the place in the source.
struct NameKey(WorkName);

impl NameKey {
    fn key(&self) -> (Option<&str>, Option<&'static std::panic::Location<'static>>) {
        let name = self.0.name();
        (name, name.is_none().then(|| self.0.site()))
    }
}

impl PartialEq for NameKey {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for NameKey {}

impl Hash for NameKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The requests of one name.
struct Compartment<G> {
    /// How many were let in.
    inside: u32,
    aside: Lane<G>,
}

/// The names that have a cap and are in use.
pub(crate) struct Bulkhead<G> {
    names: HashMap<NameKey, Compartment<G>>,
    aside: usize,
}

impl<G> Default for Bulkhead<G> {
    fn default() -> Self {
        Bulkhead { names: HashMap::new(), aside: 0 }
    }
}

impl<G> Bulkhead<G> {
    /// How many stand aside.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.aside
    }

    /// Lets a request in, if the cap of its name allows. One that was let in ends with [`Bulkhead::leave`].
    pub(crate) fn enter(&mut self, request: &Request) -> bool {
        let Some(cap) = request.cap else { return true };
        let name = self
            .names
            .entry(NameKey(request.name.clone()))
            .or_insert_with(|| Compartment { inside: 0, aside: Lane::default() });
        let is_free = name.aside.len() == 0 && name.inside < cap.get();
        name.inside += u32::from(is_free);
        is_free
    }

    /// Lets a request in that [`Bulkhead::enter`] did not let in.
    pub(crate) fn enter_anyway(&mut self, request: &Request) {
        if let Some(name) = self.names.get_mut(&NameKey(request.name.clone())) {
            name.inside += 1;
        }
    }

    /// Stands aside until a request of the same name ends.
    pub(crate) fn stand_aside(&mut self, name: &WorkName, entry: Entry<G>) {
        if let Some(name) = self.names.get_mut(&NameKey(name.clone())) {
            name.aside.join(entry);
            self.aside += 1;
        }
    }

    /// A request that was let in has ended; gives the one that is let in instead.
    pub(crate) fn leave(&mut self, name: &WorkName, cap: Option<NonZeroU32>) -> Option<Entry<G>> {
        cap?;
        let key = NameKey(name.clone());
        let name = self.names.get_mut(&key)?;
        name.inside = name.inside.saturating_sub(1);
        let Some(entry) = name.aside.pop() else {
            if name.inside == 0 {
                self.names.remove(&key);
            }
            return None;
        };
        name.inside += 1;
        self.aside -= 1;
        Some(entry)
    }

    /// The waiter with this number leaves, if it stands aside.
    pub(crate) fn remove(&mut self, name: &WorkName, serial: u64) -> Option<Waiter<G>> {
        let waiter = self.names.get_mut(&NameKey(name.clone()))?.aside.remove(serial)?;
        self.aside -= 1;
        Some(waiter)
    }

    /// All waiters leave that stand aside and whose time has come, as `due` says of the end of their wait.
    pub(crate) fn remove_where(&mut self, due: impl Fn(Moment) -> bool, into: &mut Vec<Waiter<G>>) {
        let before = into.len();
        self.names.values_mut().for_each(|name| name.aside.remove_where(&due, into));
        self.aside -= into.len() - before;
    }

    /// When the first of those that stand aside stops waiting.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        self.names.values().filter_map(|name| name.aside.earliest()).min()
    }

    /// The tasks that stand aside.
    pub(crate) fn runners(&self) -> impl Iterator<Item = Runner> + '_ {
        self.requests().map(|request| request.runner)
    }

    /// The requests that stand aside, those of each name in their order.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> + '_ {
        self.names.values().flat_map(|name| name.aside.requests())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::queue::seat::Seat;
    use crate::rules::request::tests::request;
    use std::time::Duration;

    fn named(name: &'static str, cap: u32, now: Moment) -> Request {
        Request { name: WorkName::given(name), cap: NonZeroU32::new(cap), ..request(now) }
    }

    fn aside(bulkhead: &mut Bulkhead<u32>, serial: u64, request: Request) {
        let name = request.name.clone();
        let waiter = Waiter { request, seat: Seat::new() };
        bulkhead.stand_aside(&name, Entry::new(serial, waiter));
    }

    fn leave<G>(bulkhead: &mut Bulkhead<G>, request: &Request) -> Option<Entry<G>> {
        bulkhead.leave(&request.name, request.cap)
    }

    #[test]
    fn as_many_are_let_in_as_the_cap_says_and_each_that_ends_makes_way_for_one() {
        let (mut bulkhead, now) = (Bulkhead::default(), Moment::now());
        let report = || named("report", 2, now);
        assert!(bulkhead.enter(&report()) && bulkhead.enter(&report()) && !bulkhead.enter(&report()));
        assert!(bulkhead.enter(&named("order", 1, now)), "another name");
        aside(&mut bulkhead, 1, report());
        aside(&mut bulkhead, 2, report());
        assert_eq!((bulkhead.len(), bulkhead.runners().count()), (2, 2));
        assert_eq!(leave(&mut bulkhead, &report()).map(|entry| entry.serial), Some(1));
        assert!(!bulkhead.enter(&report()), "it has taken the free place");
        assert_eq!(leave(&mut bulkhead, &report()).map(|entry| entry.serial), Some(2));
        assert_eq!(bulkhead.len(), 0);
        assert!(leave(&mut bulkhead, &report()).is_none());
        assert_eq!(bulkhead.names.len(), 2, "one is still inside");
        assert!(
            leave(&mut bulkhead, &report()).is_none()
                && leave(&mut bulkhead, &named("order", 1, now)).is_none()
        );
        assert!(bulkhead.names.is_empty());
    }

    #[test]
    fn a_newcomer_does_not_overtake_those_that_stand_aside() {
        let (mut bulkhead, now) = (Bulkhead::default(), Moment::now());
        let report = |cap| named("report", cap, now);
        assert!(bulkhead.enter(&report(1)) && !bulkhead.enter(&report(1)));
        aside(&mut bulkhead, 1, report(1));
        assert!(!bulkhead.enter(&report(9)), "its own cap is greater, and one was there before");
        assert!(bulkhead.remove(&WorkName::given("report"), 1).is_some());
        assert!(bulkhead.remove(&WorkName::given("report"), 1).is_none());
        assert_eq!(bulkhead.len(), 0);
        assert!(bulkhead.enter(&report(9)));
    }

    #[test]
    fn without_a_cap_nothing_is_counted() {
        let (mut bulkhead, now) = (Bulkhead::<u32>::default(), Moment::now());
        let free = request(now);
        assert!(bulkhead.enter(&free) && bulkhead.enter(&free));
        assert!(bulkhead.names.is_empty() && leave(&mut bulkhead, &free).is_none());
    }

    #[test]
    fn one_that_enters_anyway_is_counted_like_the_others() {
        let (mut bulkhead, now) = (Bulkhead::<u32>::default(), Moment::now());
        let report = || named("report", 1, now);
        assert!(bulkhead.enter(&report()) && !bulkhead.enter(&report()));
        bulkhead.enter_anyway(&report());
        assert!(leave(&mut bulkhead, &report()).is_none());
        assert!(!bulkhead.enter(&report()), "the other is still inside");
    }

    #[test]
    fn those_leave_whose_time_has_come() {
        let (mut bulkhead, now) = (Bulkhead::default(), Moment::now());
        let at = |seconds| now + Duration::from_secs(seconds);
        for (serial, name) in [(1, "report"), (2, "report"), (3, "order")] {
            let request = Request { until: at(serial), ..named(name, 1, now) };
            bulkhead.enter(&request);
            aside(&mut bulkhead, serial, request);
        }
        assert_eq!(bulkhead.earliest(), Some(at(1)));
        let mut gone = Vec::new();
        bulkhead.remove_where(|until| until <= at(1), &mut gone);
        assert_eq!((gone.len(), bulkhead.len(), bulkhead.earliest()), (1, 2, Some(at(2))));
        bulkhead.remove_where(|_| true, &mut gone);
        assert_eq!((gone.len(), bulkhead.len(), bulkhead.earliest()), (3, 0, None));
    }

    #[test]
    fn without_words_a_name_is_its_place_in_the_source() {
        let (first, second) = (WorkName::here(), WorkName::here());
        let given = || WorkName::given("report");
        assert!(NameKey(first.clone()) == NameKey(first.clone()));
        // On one line and in another column.
        assert!(NameKey(first) != NameKey(second));
        assert!(
            NameKey(given()) == NameKey(WorkName::given(String::from("report"))),
            "wherever it was given"
        );
    }
}
