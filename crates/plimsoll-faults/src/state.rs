//! What the handle and the wires both know: the faults that are armed, the connections that are open, and a bell
//! that rings whenever one of them changes, so that nobody has to sleep and look again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::course::{Course, Step, Then};
use crate::fault::{Armed, Cut, Fault, Way};
use crate::pace::Clock;
use crate::report::{Passed, WireReport};
use crate::shape::{self, Fate, Flow, Shape};

#[derive(Debug)]
struct Line {
    course: Course,
    /// How it shall end; taken by the wire.
    cut: Option<Cut>,
    /// One end is gone, and the other has not been told.
    half_open: bool,
    stalled_to_server: bool,
    stalled_to_client: bool,
    lost: u64,
}

impl Line {
    fn new(id: u64) -> Self {
        Self {
            course: Course::new(id),
            cut: None,
            half_open: false,
            stalled_to_server: false,
            stalled_to_client: false,
            lost: 0,
        }
    }

    fn stalled(&mut self, way: Way) -> &mut bool {
        match way {
            Way::ToServer => &mut self.stalled_to_server,
            Way::ToClient => &mut self.stalled_to_client,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// Where connections are carried to, in turn.
    targets: Vec<SocketAddr>,
    faults: Vec<Armed>,
    faults_ever: u64,
    lines: BTreeMap<u64, Line>,
    all_stalled: bool,
    accepted: u64,
    struck: u64,
    heals: u64,
}

impl State {
    fn unstall(&mut self) {
        self.all_stalled = false;
        for line in self.lines.values_mut() {
            line.stalled_to_server = false;
            line.stalled_to_client = false;
        }
    }

    fn moves(&mut self, id: u64, way: Way) -> bool {
        let stalled = self.lines.get_mut(&id).is_some_and(|line| *line.stalled(way));
        !self.all_stalled && !stalled && !shape::is_black(&self.faults, way)
    }

    fn is_reachable(&self) -> bool {
        ![Way::ToServer, Way::ToClient].iter().any(|way| shape::is_black(&self.faults, *way))
    }
}

#[derive(Debug)]
pub(crate) struct SharedState {
    state: Mutex<State>,
    bell: watch::Sender<()>,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
}

impl SharedState {
    pub(crate) fn new(seed: u64, targets: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { targets, ..State::default() }),
            bell: watch::Sender::new(()),
            clock: Clock::default(),
            seed,
        })
    }

    /// Waits until `look` finds what it looks for; looks again whenever something has changed.
    async fn until<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        // Mostly it is there already, and nobody has to listen for the bell.
        if let Some(found) = look(&mut self.state.lock()) {
            return found;
        }
        let mut bell = self.bell.subscribe();
        loop {
            if let Some(found) = look(&mut self.state.lock()) {
                return found;
            }
            if bell.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let out = change(&mut self.state.lock());
        self.bell.send_replace(());
        out
    }

    // For the handle.

    pub(crate) fn arm(&self, fault: Fault, once: bool, alone: bool) {
        self.change(|state| {
            if alone {
                state.faults.clear();
            }
            state.faults_ever += 1;
            let passed = |(id, line): (&u64, &Line)| (*id, line.course.to_server, line.course.to_client);
            let baseline = state.lines.iter().map(passed).collect();
            state.faults.push(Armed { id: state.faults_ever, fault, once, baseline });
        });
    }

    pub(crate) fn disarm(&self) {
        self.change(|state| state.faults.clear());
    }

    pub(crate) fn lead_to(&self, targets: Vec<SocketAddr>) {
        self.change(|state| state.targets = targets);
    }

    pub(crate) fn cut_all(&self, how: Cut) -> usize {
        self.change(|state| {
            for line in state.lines.values_mut() {
                line.cut = Some(how);
            }
            state.lines.len()
        })
    }

    pub(crate) fn stall_all(&self) {
        self.change(|state| state.all_stalled = true);
    }

    pub(crate) fn resume(&self) {
        self.change(State::unstall);
    }

    pub(crate) fn heal(&self) {
        self.change(|state| {
            state.faults.clear();
            state.unstall();
            state.heals += 1;
            for line in state.lines.values_mut() {
                if line.half_open || line.cut.is_some_and(Cut::is_half) {
                    line.cut = Some(Cut::Reset);
                }
            }
        });
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().lines.len()
    }

    pub(crate) fn accepted(&self) -> u64 {
        self.state.lock().accepted
    }

    pub(crate) fn struck(&self) -> u64 {
        self.state.lock().struck
    }

    pub(crate) fn wires(&self) -> Vec<WireReport> {
        self.state.lock().lines.iter().map(|(id, line)| report(*id, line)).collect()
    }

    pub(crate) async fn until_struck(&self, times: u64) {
        self.until(|state| (state.struck >= times).then_some(())).await;
    }

    pub(crate) async fn until_connections(&self, count: usize) {
        self.until(|state| (state.lines.len() == count).then_some(())).await;
    }

    // For the wires.

    /// A connection has been accepted: its number, or `None` when it is refused.
    pub(crate) fn accept(&self) -> Option<u64> {
        self.change(|state| {
            state.accepted += 1;
            let refusal = state.faults.iter().position(|armed| armed.fault == Fault::Refuse);
            if let Some(index) = refusal {
                state.struck += 1;
                if state.faults.get(index).is_some_and(|armed| armed.once) {
                    state.faults.remove(index);
                }
                return None;
            }
            let id = state.accepted;
            state.lines.insert(id, Line::new(id));
            if !state.is_reachable() {
                state.struck += 1;
            }
            Some(id)
        })
    }

    /// Where this connection is to be carried to now.
    pub(crate) fn target(&self, id: u64) -> Option<SocketAddr> {
        let state = self.state.lock();
        let turn = usize::try_from(id).unwrap_or_default().checked_rem(state.targets.len())?;
        state.targets.get(turn).copied()
    }

    pub(crate) fn closed(&self, id: u64) {
        self.change(|state| state.lines.remove(&id));
    }

    /// The longest segment that has a fate of its own.
    pub(crate) fn segment(&self, way: Way) -> usize {
        shape::segment(&self.state.lock().faults, way)
    }

    /// Draws what becomes of the segment read now, and says how often the wire has been healed by now.
    pub(crate) fn fate(&self, id: u64, way: Way, dice: &mut Rng) -> (Fate, u64) {
        let mut state = self.state.lock();
        let fate = shape::fate(&state.faults, way, dice);
        let heals = state.heals;
        if fate.lost > 0 {
            state.struck += fate.lost;
            if let Some(line) = state.lines.get_mut(&id) {
                line.lost += fate.lost;
            }
            drop(state);
            self.bell.send_replace(());
        }
        (fate, heals)
    }

    /// Waits until a segment is due, or the wire has been healed since it was read.
    pub(crate) async fn until_due(&self, due: Instant, heals: u64) {
        if due > Instant::now() {
            tokio::select! {
                () = self.clock.until(due) => {}
                () = self.until(|state| (state.heals > heals).then_some(())) => {}
            }
        }
    }

    /// Waits until the next piece may pass; says how wide the way is then.
    pub(crate) async fn until_room(&self, id: u64, way: Way, flow: &Flow) -> Shape {
        let open = |state: &mut State| state.moves(id, way).then(|| Shape::of(&state.faults, way));
        let wait = |shape: &Shape| flow.due(shape).filter(|due| *due > Instant::now());
        let shape = self.until(open).await;
        if wait(&shape).is_none() {
            return shape;
        }
        loop {
            let mut bell = self.bell.subscribe();
            let shape = self.until(open).await;
            match wait(&shape) {
                None => return shape,
                Some(due) => tokio::select! {
                    () = self.clock.until(due) => {}
                    _ = bell.changed() => {}
                },
            }
        }
    }

    /// Judges what may pass and books it.
    pub(crate) fn step(&self, id: u64, way: Way, input: &[u8], room: usize) -> Step {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(line) = state.lines.get_mut(&id) else {
            return Step { pass: 0, deliver: false, then: Then::Cut(Cut::Reset), met: None };
        };
        let was_ready = line.course.at_ready.is_some();
        let step = line.course.step(way, input, room, &state.faults);
        let mut rings = line.course.at_ready.is_some() != was_ready;
        if let Some(met) = step.met {
            state.faults.retain(|armed| armed.id != met || !armed.once);
            match step.then {
                Then::Stall => *line.stalled(way) = true,
                Then::Cut(how) => line.half_open = how.is_half(),
                Then::Go | Then::NeedMore => {}
            }
            if step.then != Then::Go {
                state.struck += 1;
                rings = true;
            }
        }
        drop(guard);
        if rings {
            self.bell.send_replace(());
        }
        step
    }

    /// Waits while this way of this connection is silent.
    pub(crate) async fn until_moving(&self, id: u64, way: Way) {
        self.until(|state| state.moves(id, way).then_some(())).await;
    }

    /// Waits while new connections get nowhere.
    pub(crate) async fn until_reachable(&self) {
        self.until(|state| state.is_reachable().then_some(())).await;
    }

    /// Waits until somebody cuts this connection, and takes that on.
    pub(crate) async fn until_cut(&self, id: u64) -> Cut {
        self.until(|state| {
            let line = state.lines.get_mut(&id)?;
            let how = line.cut.take()?;
            line.half_open = how.is_half();
            Some(how)
        })
        .await
    }
}

fn report(connection: u64, line: &Line) -> WireReport {
    let course = &line.course;
    let since = |now: Passed, then: Option<Passed>| {
        then.map_or_else(Passed::default, |then| Passed {
            messages: now.messages - then.messages,
            bytes: now.bytes - then.bytes,
        })
    };
    WireReport {
        connection,
        ready: course.at_ready.is_some(),
        encrypted: course.encrypted(),
        to_server: course.to_server,
        to_client: course.to_client,
        to_server_since_ready: since(course.to_server, course.at_ready.map(|(up, _)| up)),
        to_client_since_ready: since(course.to_client, course.at_ready.map(|(_, down)| down)),
        lost: line.lost,
    }
}
