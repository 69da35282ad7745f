//! How many of a server's connections one instance may have.
//!
//! A server has a fixed number of connections, and so may a role and a database. Ten instances of a service with pools of
//! thirty would ask a server of a hundred for three hundred, and those that came last would get none. So the live
//! instances share what there is. Each reads the same list of sessions and computes the same division, so they need no
//! other way to agree.
//!
//! *The division.* What other programs use is taken off, and a twentieth stays free: a new instance can show itself only
//! through a connection, and so can an operator. Every pool gets one connection. The rest is divided evenly, and what an
//! instance would not use goes to the others (max-min fairness).
//!
//! *Slow up, quick down.* The list is never quite true: an instance that has just opened ten connections has not told so
//! yet, and they look like another program's. So sessions count as another program's only once they were there in three
//! readings in a row. And the share is the smallest of the last three: it shrinks at once and grows after three readings
//! that agree, or a heartbeat that reconnects would make every pool of the fleet open connections and close them again. A
//! few sessions more or fewer of other programs are not followed at all: what stays free covers them.
//!
//! | file | what is in it |
//! |---|---|
//! | here | the share of an instance |
//! | [`mark`] | how an instance shows itself: the name of its heartbeat's connection |
//! | [`divide`] | the share of an instance, divided among its pools |

pub(crate) mod divide;
pub(crate) mod mark;

use divide::evenly;
use mark::Token;

/// A limit below this is used whole: a twentieth of it would be none.
const TOO_FEW_TO_SPARE: usize = 10;

/// A live instance, as the heartbeats of its pools show it: a program, or the pools of it that share one budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) token: Token,
    /// Each has a connection for its heartbeat, beside those that it lends.
    pub(crate) pools: usize,
    /// Connections to be lent that it has.
    pub(crate) holds: usize,
    /// The most of them that it would use.
    pub(crate) most: usize,
}

/// Connections that are limited together: all of a server, of a role, or of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pot {
    pub(crate) limit: usize,
    /// The sessions that there are.
    pub(crate) sessions: usize,
    pub(crate) instances: Vec<Instance>,
}

/// What one instance may have of a pot, and the numbers from which that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Connections to be lent that the instance may have.
    pub(crate) connections: usize,
    /// Live instances, this one among them.
    pub(crate) instances: usize,
    /// The most sessions that there may be.
    pub(crate) limit: usize,
    /// Sessions of other programs, give or take a few.
    pub(crate) others: usize,
}

impl Pot {
    /// How many connections there are for none to have: a new instance shows itself through one of them.
    pub(crate) fn spare(limit: usize) -> usize {
        if limit < TOO_FEW_TO_SPARE { 0 } else { limit.div_ceil(20) }
    }

    /// Sessions that no instance says are its own.
    fn others(&self) -> usize {
        let known: usize = self.instances.iter().map(|instance| instance.holds + instance.pools).sum();
        self.sessions.saturating_sub(known)
    }

    /// Sessions that there may be beside those that there are.
    pub(crate) fn free(&self) -> usize {
        self.limit.saturating_sub(self.sessions)
    }

    /// What each instance may have, if others have so many.
    fn shares(&self, others: usize) -> Vec<(Token, usize)> {
        let heartbeats: usize = self.instances.iter().map(|instance| instance.pools).sum();
        let for_each_pool = heartbeats;
        let taken = Self::spare(self.limit) + others + heartbeats + for_each_pool;
        let rest = self.limit.saturating_sub(taken);
        // In an order that every instance finds, since one of them may get one more than another.
        let mut instances = self.instances.clone();
        instances.sort_by_key(|instance| instance.token);
        let wants: Vec<usize> =
            instances.iter().map(|instance| instance.most.saturating_sub(instance.pools)).collect();
        let more = evenly(rest, &wants);
        instances.iter().zip(more).map(|(instance, more)| (instance.token, instance.pools + more)).collect()
    }
}

/// The last readings of a pot.
#[derive(Debug, Default)]
pub(crate) struct PotHistory {
    others: Recent,
    /// The sessions of others that the shares go by.
    followed: usize,
    shares: Recent,
}

impl PotHistory {
    /// Adds a reading; gives the share of this instance, which is in the pot.
    pub(crate) fn read(&mut self, pot: &Pot, mine: Token) -> Option<Share> {
        self.others.add(pot.others());
        let seen = if self.others.is_full() { self.others.least()? } else { 0 };
        if seen.abs_diff(self.followed) > Pot::spare(pot.limit) / 2 {
            self.followed = seen;
        }
        let others = self.followed;
        let (_, share) = pot.shares(others).into_iter().find(|(token, _)| *token == mine)?;
        self.shares.add(share);
        Some(Share {
            connections: self.shares.least()?,
            instances: pot.instances.len(),
            limit: pot.limit,
            others,
        })
    }
}

/// The last three numbers.
#[derive(Debug, Default)]
struct Recent([Option<usize>; 3]);

impl Recent {
    fn add(&mut self, number: usize) {
        let [_, second, third] = self.0;
        self.0 = [second, third, Some(number)];
    }

    fn is_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    fn least(&self) -> Option<usize> {
        self.0.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
