//! The screen: takes the terminal, draws, and hands keys over. The terminal is put back whatever happens.

use super::draw::draw;
use super::keys::{Asked, Key};
use super::state::{Answer, Order, State};
use crate::Ended;
use crate::interrupts::Interrupts;
use crate::terminal_keys::{TerminalKeys, is_gone};
use anyhow::{Context, Result};
use jiff::Timestamp;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether the terminal is still there.
const LOOKS: Duration = Duration::from_millis(250);

/// How often it is drawn where nothing has come: what tells how long ago something was goes on.
const PICTURE: Duration = Duration::from_millis(500);

/// Holds the screen; dropped, the terminal is as it was.
struct Terminal(ratatui::DefaultTerminal);

impl Terminal {
    fn take() -> Result<Self> {
        let terminal = ratatui::try_init();
        Ok(Terminal(terminal.context("the terminal cannot be drawn on; --once and --json need none")?))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal is what could not be reached, so it cannot be told there.
        let _ = ratatui::try_restore();
    }
}

/// Draws until it is left, or interrupted.
pub(super) async fn play(
    state: &mut State,
    mut answers: mpsc::Receiver<Answer>,
    orders: mpsc::Sender<Order>,
    has_colours: bool,
) -> Result<Ended> {
    let mut interrupts = Interrupts::listen()?;
    let mut terminal = Terminal::take()?;
    let mut keys = TerminalKeys::read();
    let mut ticks = interval(LOOKS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut drawn: Option<Instant> = None;
    loop {
        let mut has_news = false;
        let mut event = None;
        tokio::select! {
            _ = ticks.tick() => {}
            Some(answer) = answers.recv() => {
                state.answer(answer, Timestamp::now());
                has_news = true;
            }
            read = keys.next() => event = Some(read.context("the keys cannot be read any more")?),
            () = interrupts.next() => return Ok(Ended::Interrupted),
        }
        if is_gone() {
            return Ok(Ended::Interrupted);
        }
        while let Some(read) = event.take().or_else(|| keys.waiting()) {
            has_news = true;
            let Event::Key(pressed) = read else { continue };
            match asked(state, pressed, Timestamp::now()) {
                Some(Asked::Leave) => return Ok(Ended::Well),
                Some(Asked::Stop(order)) => {
                    let pid = order.session.pid;
                    if orders.try_send(*order).is_err() {
                        let why = "the stops before it are not done yet";
                        state.say(format!("session {pid} was not stopped: {why}"), Timestamp::now());
                    }
                }
                None => {}
            }
        }
        if has_news || drawn.is_none_or(|drawn| drawn.elapsed() >= PICTURE) {
            let now = Timestamp::now();
            terminal.0.draw(|frame| draw(frame, state, now, has_colours))?;
            drawn = Some(Instant::now());
        }
    }
}

fn asked(state: &mut State, pressed: KeyEvent, now: Timestamp) -> Option<Asked> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    let has_control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    if has_control {
        return (pressed.code == KeyCode::Char('c')).then_some(Asked::Leave);
    }
    let key = match pressed.code {
        KeyCode::Char(key) => Key::Char(key),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    };
    // An escape that is followed at once by another key, as over a slow line, cannot be told from that key with Alt.
    if pressed.modifiers.contains(KeyModifiers::ALT) {
        state.key(Key::Escape, now);
    }
    state.key(key, now)
}

#[cfg(test)]
mod tests {
    use super::super::state::Mode;
    use super::*;

    #[test]
    fn keys_of_the_terminal_are_those_of_the_screen() {
        let now = Timestamp::UNIX_EPOCH;
        let mut state = State::default();
        let mut press = |code, modifiers| {
            let asked = asked(&mut state, KeyEvent::new(code, modifiers), now);
            (asked, state.mode.clone(), state.filter.clone())
        };
        let of = |asked, mode: Mode, filter: &str| (asked, mode, filter.to_owned());
        let filter = Mode::Filter(String::new());
        assert_eq!(press(KeyCode::Char('/'), KeyModifiers::NONE), of(None, filter.clone(), ""));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), of(None, filter.clone(), "q"));
        assert_eq!(press(KeyCode::F(1), KeyModifiers::NONE), of(None, filter.clone(), "q"));
        assert_eq!(press(KeyCode::Enter, KeyModifiers::NONE), of(None, Mode::List, "q"));
        let escaped = press(KeyCode::Char('/'), KeyModifiers::ALT);
        assert_eq!(escaped, of(None, filter, ""), "an escape, then a filter");
        let left = press(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(left.0, Some(Asked::Leave));
        let mut released = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE);
        released.kind = KeyEventKind::Release;
        assert_eq!(asked(&mut State::default(), released, now), None);
    }
}
