//! However threads interleave: a connection that is parked comes home exactly once, be it by its driver's poll, by the
//! task that parks it or by its end; and no bell is lost, nor ends or silences the next listener. The model checker tries the
//! interleavings, with the real link.
#![cfg(plimsoll_loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use plimsoll::link_model::Mooring;

/// Every interleaving of three threads takes minutes; this tries all with up to two preemptions.
fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// Does this to the mooring on a thread of its own.
fn beside(mooring: &Mooring, does: impl FnOnce(&Mooring) + 'static) -> thread::JoinHandle<()> {
    let mooring = mooring.clone();
    thread::spawn(move || does(&mooring))
}

#[test]
fn what_is_parked_while_the_driver_ends_its_poll_comes_home() {
    loom::model(|| {
        let mooring = Mooring::default();
        mooring.hand_over();
        let driver = beside(&mooring, |mooring| block_on(mooring.drive()));
        mooring.park();
        // Only a driver whose work is done needs to be told so; else it must wake by itself.
        if mooring.came_home() > 0 {
            mooring.wake_driver();
        }
        driver.join().unwrap();
        assert_eq!(mooring.came_home(), 1);
    });
}

#[test]
fn what_is_handed_over_by_another_before_the_return_does_not_keep_it() {
    loom::model(|| {
        let mooring = Mooring::default();
        let driver = beside(&mooring, |mooring| block_on(mooring.drive()));
        mooring.hand_over();
        mooring.park();
        if mooring.came_home() > 0 {
            mooring.wake_driver();
        }
        driver.join().unwrap();
        assert_eq!(mooring.came_home(), 1);
    });
}

#[test]
fn what_is_parked_while_the_connection_ends_comes_home() {
    loom::model(|| {
        let mooring = Mooring::default();
        // The driver has ended without looking at it, and is polled no more.
        mooring.hand_over();
        let end = beside(&mooring, |mooring| mooring.close());
        mooring.park();
        end.join().unwrap();
        assert_eq!(mooring.came_home(), 1);
    });
}

#[test]
fn what_is_parked_comes_home_once_though_driver_and_end_race() {
    bounded(|| {
        let mooring = Mooring::default();
        mooring.hand_over();
        let driver = beside(&mooring, |mooring| block_on(mooring.drive()));
        let end = beside(&mooring, |mooring| mooring.close());
        mooring.park();
        end.join().unwrap();
        mooring.wake_driver();
        driver.join().unwrap();
        assert_eq!(mooring.came_home(), 1);
    });
}

#[test]
fn a_bell_that_rings_while_its_statement_waits_is_heard() {
    loom::model(|| {
        let mooring = Mooring::default();
        assert!(mooring.listen(5));
        let clock = beside(&mooring, |mooring| mooring.ring(5));
        block_on(mooring.hear(5, || 5));
        clock.join().unwrap();
    });
}

#[test]
fn a_bell_of_the_statement_before_neither_ends_nor_silences_the_next() {
    bounded(|| {
        let mooring = Mooring::default();
        let now = Arc::new(AtomicU64::new(5));
        assert!(mooring.listen(5));
        // The clock looks for the first statement, and may come too late for it.
        let late = beside(&mooring, |mooring| mooring.ring(5));
        mooring.stop_listening();
        assert!(mooring.listen(6), "the first has stopped to listen");
        let clock = {
            let (mooring, now) = (mooring.clone(), Arc::clone(&now));
            thread::spawn(move || {
                now.store(6, Ordering::Release);
                mooring.ring(6);
            })
        };
        block_on(mooring.hear(6, || now.load(Ordering::Acquire)));
        assert_eq!(now.load(Ordering::Acquire), 6, "not before its time");
        clock.join().unwrap();
        late.join().unwrap();
    });
}

#[test]
fn a_statement_that_begins_while_another_stops_to_listen_hears_its_own_bell() {
    loom::model(|| {
        let mooring = Mooring::default();
        assert!(mooring.listen(5));
        let first = beside(&mooring, |mooring| mooring.stop_listening());
        if mooring.listen(6) {
            let clock = beside(&mooring, |mooring| mooring.ring(6));
            block_on(mooring.hear(6, || 6));
            clock.join().unwrap();
        }
        first.join().unwrap();
    });
}
