//! However threads interleave: what is given back reaches whoever waits, a waiter that leaves between the grant and the
//! fetch passes it on, and in the end everything is idle again. Every interleaving is tried by the model checker.
//!
//! It is a program of its own: the model checker replaces the primitives under the pool, so the library is built anew for
//! it, and no other test is.
#![cfg(plimsoll_loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use loom::future::block_on;
use loom::thread;
use plimsoll::pool::model::Hall;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

/// Polls once and leaves, wherever that is.
fn peek(hall: &Hall) {
    let mut wait = pin!(hall.acquire());
    let _ = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn one_that_is_given_back_reaches_the_one_that_waits() {
    loom::model(|| {
        let hall = Hall::new(1);
        let held = block_on(hall.acquire());
        let waiter = {
            let hall = hall.clone();
            thread::spawn(move || assert!(block_on(hall.acquire()).number().is_some()))
        };
        drop(held);
        waiter.join().unwrap();
        assert_eq!(hall.rest(), (1, 0));
    });
}

#[test]
fn one_that_leaves_passes_its_grant_on() {
    loom::model(|| {
        let hall = Hall::new(1);
        let held = block_on(hall.acquire());
        let leaver = {
            let hall = hall.clone();
            thread::spawn(move || peek(&hall))
        };
        let waiter = {
            let hall = hall.clone();
            thread::spawn(move || assert!(block_on(hall.acquire()).number().is_some()))
        };
        drop(held);
        leaver.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(hall.rest(), (1, 0));
    });
}

#[test]
fn one_whose_time_comes_while_it_is_served_has_one_answer() {
    loom::model(|| {
        let hall = Hall::new(1);
        let held = block_on(hall.acquire());
        let waiter = {
            let hall = hall.clone();
            thread::spawn(move || drop(block_on(hall.acquire())))
        };
        let clock = {
            let hall = hall.clone();
            thread::spawn(move || hall.expire())
        };
        drop(held);
        clock.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(hall.rest(), (1, 0));
    });
}

#[test]
fn nothing_is_in_two_hands() {
    loom::model(|| {
        let hall = Hall::new(2);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let hall = hall.clone();
                thread::spawn(move || {
                    let held = block_on(hall.acquire());
                    held.number()
                })
            })
            .collect();
        for thread in threads {
            assert!(thread.join().unwrap().is_some());
        }
        assert_eq!(hall.rest(), (2, 0));
    });
}
