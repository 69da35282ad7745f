//! Troubles of the wire. All lanes' wires have the same at one time.

use super::Scene;
use plimsoll_faults::{At, Cut, Direction, Fault, Proxy, Since, When};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Every connection is cut at some message or byte of what it does next, one of them at a time.
pub(super) async fn cuts(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let direction = if dice.bool() { Direction::ToServer } else { Direction::ToClient };
        let at = match dice.u8(0..3) {
            0 => At::BeforeMessage(dice.u64(1..16)),
            1 => At::AfterMessage(dice.u64(1..16)),
            _ => At::AfterBytes(dice.u64(0..600)),
        };
        let how = [Cut::Reset, Cut::Close, Cut::ResetClient, Cut::ResetServer];
        let how = dice.choice(how).unwrap_or(Cut::Reset);
        let fault = Fault::cut(direction, at).since(Since::Set).ending(how);
        scene.stage.wires(|wire| wire.set_once(fault.clone()));
        scene.pause(&mut dice, 10..70).await;
    }
}

/// What commits arrives and is done; its answer is cut off, or late.
pub(super) async fn loses_answers(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let dropped = |kind, containing: &str| {
            Fault::on_message(Direction::ToServer, kind, containing, When::AnswerDropped)
        };
        match dice.u8(0..5) {
            0 | 1 => scene.stage.wires(|wire| wire.set_once(dropped(b'Q', "COMMIT"))),
            2 => scene.stage.wires(|wire| wire.set_once(dropped(b'E', ""))),
            3 => scene.stage.wires(|wire| wire.set_once(dropped(b'Q', "INSERT"))),
            _ => {
                let late = Fault::delay(Direction::ToClient, dice.u32(30..500) * MS);
                scene.stage.wires(|wire| wire.set(late.clone()));
                scene.pause(&mut dice, 50..200).await;
                scene.stage.wires(Proxy::clear);
            }
        }
        scene.pause(&mut dice, 15..80).await;
    }
}

/// Blackholes either way and both, and connections of which one end is gone.
pub(super) async fn falls_silent(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        match dice.u8(0..5) {
            0 => scene.stage.wires(|wire| {
                wire.end_all(Cut::ClientGone);
            }),
            1 => scene.stage.wires(|wire| {
                wire.end_all(Cut::ServerGone);
            }),
            other => {
                let ways = [Direction::Both, Direction::ToServer, Direction::ToClient];
                let way = ways.get(usize::from(other - 2)).copied().unwrap_or(Direction::Both);
                scene.stage.wires(|wire| wire.set(Fault::blackhole(way)));
            }
        }
        scene.pause(&mut dice, 100..800).await;
        scene.stage.wires(Proxy::heal);
        scene.pause(&mut dice, 50..300).await;
    }
}

/// Connecting takes several round trips of 150 ms, and everybody has to.
pub(super) async fn makes_all_connect(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    scene.stage.wires(|wire| wire.set(Fault::delay(Direction::Both, 40 * MS)));
    while !scene.is_over() {
        scene.stage.wires(|wire| {
            wire.cut_all();
        });
        scene.pause(&mut dice, 400..900).await;
    }
}

/// Latency, loss, a narrow way and single bytes, one after another.
pub(super) async fn is_slow(scene: &Scene<'_>) {
    let mut dice = scene.dice();
    while !scene.is_over() {
        let fault = match dice.u8(0..5) {
            0 | 1 => Fault::delay(Direction::Both, 50 * MS).jitter(50 * MS),
            2 => Fault::loss(Direction::Both, 0.01, 200 * MS),
            3 => Fault::throttle(Direction::Both, dice.choice([10, 300, 3_000]).unwrap_or(300)),
            _ => Fault::slice(Direction::Both, 1),
        };
        scene.stage.wires(|wire| wire.set(fault.clone()));
        scene.pause(&mut dice, 200..700).await;
        scene.stage.wires(Proxy::heal);
        scene.pause(&mut dice, 20..150).await;
    }
}
