//! How many bytes may pass, and what happens then.
//!
//! One [`Course`] belongs to one connection. It follows both directions, counts what has passed, and holds every
//! stretch of bytes against the faults that are armed. It is pure: it sees bytes and answers with a [`Step`];
//! moving them is the business of `wire`. Deciding at the moment of passing (and not of reading) is what makes a
//! fault exact in front of a delayed or stalled queue.

use crate::fault::{Armed, At, Cut, Fault, Since, Way, When};
use crate::framing::{Framer, Kind, Piece};
use crate::report::Passed;

/// A longer message is not held back to be looked at.
const LOOK_AT_MOST: usize = 1024 * 1024;

/// What the wire does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// So many bytes are done with ...
    pub(crate) pass: usize,
    /// ... and are delivered, or else thrown away.
    pub(crate) deliver: bool,
    pub(crate) then: Then,
    /// The fault that was met.
    pub(crate) met: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Go on.
    Go,
    /// Ask again when more bytes are there: the message has to be whole to be judged.
    NeedMore,
    /// This way is silent from here.
    Stall,
    /// The connection ends here.
    Cut(Cut),
}

/// An answer that shall not arrive.
#[derive(Clone, Copy, Debug)]
struct Dropping {
    /// Answers to earlier messages, still to be delivered.
    answers_before: u64,
    how: Cut,
    fault: u64,
}

/// One connection's passage.
#[derive(Debug)]
pub(crate) struct Course {
    connection: u64,
    client: Framer,
    server: Framer,
    pub(crate) to_server: Passed,
    pub(crate) to_client: Passed,
    pub(crate) at_ready: Option<(Passed, Passed)>,
    /// Requests for a ReadyForQuery that the server has not answered yet.
    owed: u64,
    dropping: Option<Dropping>,
    /// Stalls that this connection has already met.
    spent: Vec<u64>,
    /// The message under way in each direction (to the server, to the client) that a fault has found and strikes at
    /// its end; it passes in several parts.
    found: (Option<u64>, Option<u64>),
}

enum Verdict {
    Passes,
    NeedMore,
    /// After so many bytes of the piece.
    Strikes(usize, Strike),
}

#[derive(Clone, Copy)]
enum Strike {
    Stall,
    Cut(Cut),
    DropAnswer(Cut),
}

impl Course {
    pub(crate) fn new(connection: u64) -> Self {
        Self {
            connection,
            client: Framer::client(),
            server: Framer::server(),
            to_server: Passed::default(),
            to_client: Passed::default(),
            at_ready: None,
            owed: 0,
            dropping: None,
            spent: Vec::new(),
            found: (None, None),
        }
    }

    pub(crate) fn encrypted(&self) -> bool {
        self.client.opaque() || self.server.opaque()
    }

    /// Judges the longest stretch of `input` that one answer covers. Everything in `input` is looked at; no more than
    /// `room` bytes of it pass.
    pub(crate) fn step(&mut self, way: Way, input: &[u8], room: usize, faults: &[Armed]) -> Step {
        let deliver = self.delivers(way);
        let mut pass = 0;
        loop {
            let rest = input.get(pass..).unwrap_or_default();
            let Some(piece) = self.framer(way).clone_next(rest) else {
                return Step { pass, deliver, then: Then::Go, met: None };
            };
            if self.delivers(way) != deliver {
                return Step { pass, deliver, then: Then::Go, met: None };
            }
            let (verdict, id) = self.first_strike(way, piece, rest, faults);
            let taken = match verdict {
                Verdict::Passes => piece.len,
                Verdict::NeedMore => return Step { pass, deliver, then: Then::NeedMore, met: None },
                Verdict::Strikes(taken, _) => taken,
            };
            let left = room.saturating_sub(pass);
            if taken > left {
                if let Verdict::Strikes(_, strike) = verdict {
                    self.foresee(way, piece, strike, id);
                }
                self.advance(way, rest.get(..left).unwrap_or(rest));
                return Step { pass: pass + left, deliver, then: Then::Go, met: None };
            }
            let done = self.advance(way, rest.get(..taken).unwrap_or(rest));
            pass += taken;
            if let Verdict::Strikes(_, strike) = verdict {
                let then = self.strike(piece.kind, strike, id);
                return Step { pass, deliver, then, met: Some(id) };
            }
            if let Some(done) = done {
                return Step { pass, deliver, then: Then::Cut(done.how), met: Some(done.fault) };
            }
        }
    }

    fn strike(&mut self, kind: Kind, strike: Strike, id: u64) -> Then {
        match strike {
            Strike::Cut(how) => Then::Cut(how),
            Strike::Stall => {
                self.spent.push(id);
                Then::Stall
            }
            Strike::DropAnswer(how) => {
                self.drop_answer(kind, how, id);
                Then::Go
            }
        }
    }

    /// A message was found that shall be struck at its end, and only its first part passes now. (A place is found again
    /// by counting; a message's contents are whole only once.)
    fn foresee(&mut self, way: Way, piece: Piece, strike: Strike, id: u64) {
        if piece.starts && piece.ends && !matches!(strike, Strike::Stall) {
            *self.found_on(way) = Some(id);
        }
    }

    fn found_on(&mut self, way: Way) -> &mut Option<u64> {
        match way {
            Way::ToServer => &mut self.found.0,
            Way::ToClient => &mut self.found.1,
        }
    }

    fn framer(&self, way: Way) -> Framer {
        match way {
            Way::ToServer => self.client,
            Way::ToClient => self.server,
        }
    }

    fn passed(&self, way: Way) -> Passed {
        match way {
            Way::ToServer => self.to_server,
            Way::ToClient => self.to_client,
        }
    }

    fn delivers(&self, way: Way) -> bool {
        way == Way::ToServer || self.dropping.is_none_or(|dropping| dropping.answers_before > 0)
    }

    fn first_strike(&self, way: Way, piece: Piece, rest: &[u8], faults: &[Armed]) -> (Verdict, u64) {
        let mut first = (Verdict::Passes, 0);
        for armed in faults.iter().filter(|armed| !self.spent.contains(&armed.id)) {
            let verdict = self.judge(way, piece, rest, armed);
            let sooner = match (&verdict, &first.0) {
                (Verdict::Passes, _) | (Verdict::NeedMore, Verdict::Strikes(..) | Verdict::NeedMore) => false,
                (Verdict::Strikes(at, _), Verdict::Strikes(before, _)) => at < before,
                _ => true,
            };
            if sooner {
                first = (verdict, armed.id);
            }
        }
        first
    }

    fn judge(&self, way: Way, piece: Piece, rest: &[u8], armed: &Armed) -> Verdict {
        match &armed.fault {
            Fault::CutAt { direction, at, since, how } if direction.covers(way) => {
                self.place(way, piece, *at, *since, armed, Strike::Cut(*how))
            }
            Fault::StallAt { direction, at, since } if direction.covers(way) => {
                self.place(way, piece, *at, *since, armed, Strike::Stall)
            }
            Fault::OnMessage { direction, kind, containing, when, how } if direction.covers(way) => {
                let found = match way {
                    Way::ToServer => self.found.0,
                    Way::ToClient => self.found.1,
                } == Some(armed.id);
                if piece.kind != Kind::Typed(*kind) || !(piece.starts || found) || self.dropping.is_some() {
                    return Verdict::Passes;
                }
                if !piece.ends {
                    let hold = rest.len() < LOOK_AT_MOST;
                    return if hold { Verdict::NeedMore } else { Verdict::Passes };
                }
                let body = rest.get(5..piece.len).unwrap_or_default();
                if !found && !containing.as_ref().is_none_or(|wanted| contains(body, wanted)) {
                    return Verdict::Passes;
                }
                match (when, way) {
                    (When::Before, _) => Verdict::Strikes(0, Strike::Cut(*how)),
                    (When::AnswerDropped, Way::ToServer) => {
                        Verdict::Strikes(piece.len, Strike::DropAnswer(*how))
                    }
                    _ => Verdict::Strikes(piece.len, Strike::Cut(*how)),
                }
            }
            _ => Verdict::Passes,
        }
    }

    fn place(&self, way: Way, piece: Piece, at: At, since: Since, armed: &Armed, strike: Strike) -> Verdict {
        let Some(base) = self.base(way, since, armed) else { return Verdict::Passes };
        let passed = self.passed(way);
        let number = passed.messages - base.messages + 1;
        match at {
            At::BeforeMessage(n) if piece.starts && number == n => Verdict::Strikes(0, strike),
            At::AfterMessage(n) if piece.ends && number == n => Verdict::Strikes(piece.len, strike),
            At::AfterBytes(n) => match n.checked_sub(passed.bytes - base.bytes).map(usize::try_from) {
                Some(Ok(left)) if left <= piece.len => Verdict::Strikes(left, strike),
                _ => Verdict::Passes,
            },
            _ => Verdict::Passes,
        }
    }

    /// What had passed when counting began; `None` while it has not begun.
    fn base(&self, way: Way, since: Since, armed: &Armed) -> Option<Passed> {
        let pick = |(to_server, to_client)| match way {
            Way::ToServer => to_server,
            Way::ToClient => to_client,
        };
        match since {
            Since::Connected => Some(Passed::default()),
            Since::Ready => self.at_ready.map(pick),
            Since::Set => {
                let mine = armed.baseline.iter().find(|(connection, ..)| *connection == self.connection);
                Some(mine.map_or_else(Passed::default, |(_, up, down)| pick((*up, *down))))
            }
        }
    }

    /// Counts bytes of one message as passed. Answers with the fault whose dropped answer has now been dropped.
    fn advance(&mut self, way: Way, bytes: &[u8]) -> Option<Dropping> {
        let mut framer = self.framer(way);
        let piece = framer.next(bytes)?;
        let passed = match way {
            Way::ToServer => {
                self.client = framer;
                &mut self.to_server
            }
            Way::ToClient => {
                self.server = framer;
                &mut self.to_client
            }
        };
        passed.bytes += u64::try_from(piece.len).unwrap_or(u64::MAX);
        if !piece.ends {
            return None;
        }
        passed.messages += 1;
        *self.found_on(way) = None;
        match (way, piece.kind) {
            (Way::ToServer, Kind::Startup) if self.client.asked_for_encryption() => {
                self.server.expect_answer();
            }
            (Way::ToClient, Kind::Answer(b'S' | b'G')) => {
                self.client.become_opaque();
                self.server.become_opaque();
            }
            (Way::ToServer, kind) if asks_for_ready(kind) => self.owed += 1,
            (Way::ToClient, Kind::Typed(b'Z')) => return self.ready(),
            _ => {}
        }
        None
    }

    /// The server is ready for queries: for the first time, or again.
    fn ready(&mut self) -> Option<Dropping> {
        if self.at_ready.is_none() {
            self.at_ready = Some((self.to_server, self.to_client));
            return None;
        }
        self.owed = self.owed.saturating_sub(1);
        let dropping = self.dropping.as_mut()?;
        if dropping.answers_before == 0 {
            return self.dropping.take();
        }
        dropping.answers_before -= 1;
        None
    }

    fn drop_answer(&mut self, kind: Kind, how: Cut, fault: u64) {
        let own = u64::from(asks_for_ready(kind));
        self.dropping = Some(Dropping { answers_before: self.owed.saturating_sub(own), how, fault });
    }
}

impl Framer {
    /// What [`Framer::next`] would say, without moving on.
    fn clone_next(mut self, input: &[u8]) -> Option<Piece> {
        self.next(input)
    }
}

/// Simple query, sync and function call are each answered by one ReadyForQuery.
fn asks_for_ready(kind: Kind) -> bool {
    matches!(kind, Kind::Typed(b'Q' | b'S' | b'F'))
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}
