//! The demo with somebody watching: ten pictures a second, and keys.
//!
//! Between two pictures only the cells that changed are written, so nothing flickers. The terminal is put back however
//! this ends, a panic and an error among the ways: whoever holds a [`Terminal`] here drops it. In raw mode ^C is a key
//! like any other and means the same as `q`; signals from elsewhere still come as signals.
//!
//! A key that freezes or kills takes a moment, in which no picture is drawn: some hundredths of a second, five at most
//! if a process will not stand still.

mod bars;
mod view;

use super::options::Plan;
use super::show::Show;
use crate::interrupts::Interrupts;
use crate::terminal_keys::{TerminalKeys, is_gone};
use anyhow::{Context, Result};
use plimsoll_faults::{Cut, Direction, Fault, What};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

const PICTURE: Duration = Duration::from_millis(100);
/// As many as the header has lines for.
const REMEMBERED: usize = 2;

/// What happened, and when.
type Happened = (Duration, String);

/// Holds the screen; dropped, the terminal is as it was.
struct Terminal(ratatui::DefaultTerminal);

impl Terminal {
    fn take() -> Result<Self> {
        Ok(Terminal(ratatui::try_init().context("the terminal cannot be drawn on; --unattended needs none")?))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody to tell: the terminal is what could not be reached.
        let _ = ratatui::try_restore();
    }
}

/// Draws until the load ends or somebody leaves; says whether a signal was the reason.
///
/// Dropped before it is done, the terminal is put back; what is broken stays so until the show ends.
pub(super) async fn play(show: &mut Show, plan: &Plan, interrupts: &mut Interrupts) -> Result<bool> {
    let mut terminal = Terminal::take()?;
    let mut keys = TerminalKeys::read();
    let mut pictures = interval(PICTURE);
    pictures.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut happened = VecDeque::new();
    while show.elapsed() < plan.span {
        tokio::select! {
            _ = pictures.tick() => {}
            () = interrupts.next() => return Ok(true),
        }
        if is_gone() {
            return Ok(true);
        }
        while let Some(read) = keys.waiting() {
            let Event::Key(key) = read else { continue };
            match meaning(key) {
                Some(Meaning::Leave) => return Ok(false),
                Some(Meaning::Rush) => {
                    let what = show.rushes(!show.is_rush());
                    remember(&mut happened, show.elapsed(), what);
                }
                Some(Meaning::Do(what)) => {
                    let what = show.stage.perform(&what).await?;
                    remember(&mut happened, show.elapsed(), what);
                }
                None => {}
            }
        }
        if let Some(what) = show.stage.tend().await? {
            remember(&mut happened, show.elapsed(), what);
        }
        let now = Instant::now();
        let picture = view::Picture {
            elapsed: show.elapsed(),
            span: plan.span,
            rate: show.rate(),
            now,
            broken: show.stage.broken(),
            happened: &happened,
            lanes: show.lanes.each_ref().map(|lane| (lane.name, lane.glance(now))),
        };
        terminal.0.draw(|frame| view::draw(frame, &picture))?;
    }
    Ok(false)
}

fn remember(happened: &mut VecDeque<Happened>, at: Duration, what: String) {
    happened.push_back((at, what));
    while happened.len() > REMEMBERED {
        happened.pop_front();
    }
}

/// What a key asks for.
enum Meaning {
    Do(What),
    /// Five times the capacity, or no longer.
    Rush,
    Leave,
}

fn meaning(key: KeyEvent) -> Option<Meaning> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let slow = Fault::delay(Direction::Both, Duration::from_millis(50)).jitter(Duration::from_millis(20));
    Some(match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Meaning::Leave,
        KeyCode::Char('q') | KeyCode::Esc => Meaning::Leave,
        KeyCode::Char('f') => Meaning::Do(What::Freeze),
        KeyCode::Char('t') => Meaning::Do(What::Thaw),
        KeyCode::Char('k') => Meaning::Do(What::Kill),
        KeyCode::Char('s') => Meaning::Do(What::Arm(slow)),
        KeyCode::Char('c') => Meaning::Do(What::End(Cut::Reset)),
        KeyCode::Char('o') => Meaning::Rush,
        KeyCode::Char('h') => Meaning::Do(What::Heal),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(key: char, modifiers: KeyModifiers) -> Option<Meaning> {
        meaning(KeyEvent::new(KeyCode::Char(key), modifiers))
    }

    #[test]
    fn every_key_does_what_stands_on_the_screen() {
        let does = |key| match pressed(key, KeyModifiers::NONE) {
            Some(Meaning::Do(what)) => what,
            _ => panic!("{key} does nothing"),
        };
        assert_eq!(does('f'), What::Freeze);
        assert_eq!(does('t'), What::Thaw);
        assert_eq!(does('k'), What::Kill);
        assert_eq!(does('c'), What::End(Cut::Reset));
        assert_eq!(does('h'), What::Heal);
        assert!(matches!(pressed('o', KeyModifiers::NONE), Some(Meaning::Rush)));
        assert!(matches!(does('s'), What::Arm(Fault::Delay { .. })), "{:?}", does('s'));
        for (key, modifiers) in [('q', KeyModifiers::NONE), ('c', KeyModifiers::CONTROL)] {
            assert!(matches!(pressed(key, modifiers), Some(Meaning::Leave)), "{key}");
        }
        assert!(pressed('x', KeyModifiers::NONE).is_none());
        let mut released = KeyEvent::new(KeyCode::Char('f'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert!(meaning(released).is_none(), "a key that is let go has been pressed before");
    }
}
