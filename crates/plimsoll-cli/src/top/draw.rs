//! Lines on a terminal: which tone has which colour.

use super::picture::line::{Line, Tone};
use super::picture::picture;
use super::state::State;
use jiff::Timestamp;
use ratatui::Frame;
use ratatui::style::{Color, Style};
use ratatui::text::{Line as Drawn, Span};
use ratatui::widgets::Paragraph;

/// Draws all of it. Without colours, what is chosen and what is a head is told by reversed and bold letters.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, now: Timestamp, has_colours: bool) {
    let area = frame.area();
    let lines = picture(state, usize::from(area.width), usize::from(area.height), now);
    let lines: Vec<Drawn<'_>> = lines.into_iter().map(|line| drawn(line, has_colours)).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn drawn(line: Line, has_colours: bool) -> Drawn<'static> {
    let spans = line.0.into_iter().map(|(text, tone)| Span::styled(text, style(tone, has_colours)));
    Drawn::from(spans.collect::<Vec<_>>())
}

fn style(tone: Tone, has_colours: bool) -> Style {
    let plain = Style::new();
    let style = match tone {
        Tone::Plain => plain,
        Tone::Dim => plain.dim(),
        Tone::Strong => plain.bold(),
        Tone::Good => plain.fg(Color::Green),
        Tone::Warn => plain.fg(Color::Yellow),
        Tone::Bad => plain.fg(Color::Red).bold(),
        Tone::Head | Tone::Chosen => plain.reversed(),
    };
    if has_colours { style } else { Style { fg: None, bg: None, ..style } }
}

/// The same for a pipe, or for a terminal that is not taken.
pub(super) fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.text())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::keys::Key;
    use super::super::made::look;
    use super::super::service::Pools;
    use super::super::state::{Answer, State};
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_772_359_200 + second).unwrap()
    }

    fn pools() -> Pools {
        serde_json::from_value(serde_json::json!({
            "schema_version": 1, "database": "postgres",
            "health_status": {"status": "degraded", "warnings": ["2 callers wait for a connection"]},
            "pool_metrics": {"pool_size": 20, "active_connections": 20, "maximum": 20, "waiting_threads": 2},
            "breaker": {"state": "closed", "trips": 1, "refused": 14}
        }))
        .unwrap()
    }

    fn seen() -> State {
        let services = ["web-3:8080", "web-4:8080"].map(str::to_owned);
        let mut state = State::new("db.internal:5432".to_owned(), services);
        state.answer(Answer::Looked(Box::new(look())), at(0));
        let mut next = look();
        (next.numbers.transactions, next.numbers.clock_seconds) = (1680, 102.0);
        state.answer(Answer::Looked(Box::new(next)), at(2));
        state.answer(Answer::Service(0, Ok(Box::new(pools()))), at(2));
        state.answer(Answer::Service(1, Err("no connection: Connection refused".to_owned())), at(1));
        state
    }

    fn screen(state: &State, columns: u16, rows: u16, now: Timestamp) -> (String, TestBackend) {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(frame, state, now, false)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        let text = (0..rows).map(|y| format!("{}\n", line(y).trim_end())).collect();
        (text, terminal.backend().clone())
    }

    /// The screen is what it was, at both sizes.
    fn is_as_before(name: &str, state: &State, now: Timestamp) {
        for (columns, rows) in [(80, 24), (140, 40)] {
            let (text, _) = screen(state, columns, rows, now);
            crate::columns::is_kept(&format!("top-{name}-{columns}x{rows}.txt"), &text);
        }
    }

    #[test]
    fn the_list_is_as_before() {
        let mut state = seen();
        state.key(Key::Down, at(3));
        is_as_before("list", &state, at(3));
    }

    #[test]
    fn a_detail_is_as_before() {
        let mut state = seen();
        state.key(Key::Enter, at(3));
        is_as_before("detail", &state, at(3));
    }

    #[test]
    fn a_confirmation_is_as_before() {
        let mut state = seen();
        state.key(Key::Char('t'), at(3));
        is_as_before("confirmation", &state, at(3));
    }

    #[test]
    fn a_server_that_does_not_answer_is_as_before() {
        let mut state = seen();
        state.answer(Answer::Trouble("no connection to the server: refused".to_owned()), at(4));
        for key in ['/', 'w', 'e', 'b'] {
            state.key(Key::Char(key), at(5));
        }
        is_as_before("no_answer", &state, at(16));
    }

    #[test]
    fn without_colours_there_is_none() {
        let mut state = seen();
        state.answer(Answer::Trouble("gone".to_owned()), at(4));
        let (_, backend) = screen(&state, 100, 30, at(5));
        let cells = backend.buffer().content();
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal.draw(|frame| draw(frame, &state, at(5), true)).unwrap();
        assert!(terminal.backend().buffer().content().iter().any(|cell| cell.fg == Color::Red));
    }

    /// No size of a terminal is too small to be drawn on.
    #[test]
    fn every_size_can_be_drawn() {
        for keys in ["", "\n", "t", "/"] {
            let mut state = seen();
            for key in keys.chars() {
                state.key(if key == '\n' { Key::Enter } else { Key::Char(key) }, at(3));
            }
            for (columns, rows) in [(1, 1), (10, 3), (39, 5), (80, 6), (300, 90)] {
                screen(&state, columns, rows, at(3));
            }
        }
    }
}
