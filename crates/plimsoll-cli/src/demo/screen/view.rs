//! The picture: a header with the time and what is broken now, two lanes side by side, the keys below.
//!
//! It is made for 80 columns and 24 lines. More lines make the bars taller, more columns stretch them over the lane (see
//! `bars.rs`); on a screen that is wide and low the errors of a lane stand beside its bars instead of below. Colour repeats
//! what a word says already; without colours nothing is missing.

use super::super::lane::{Glance, WINDOW};
use super::super::stage::Broken;
use super::super::table::{count, ms};
use super::Happened;
use super::bars::{acknowledged, waits};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// From so many columns of the screen on, and with fewer lines than [`HIGH`], a lane's errors stand beside its bars.
const WIDE: u16 = 140;
/// From so many lines of the screen on there is room for bars of five lines above the errors.
const HIGH: u16 = 30;
/// What the errors need there: a count, the longest words, and a code.
const ERRORS_WIDE: u16 = 39;
/// How many lines of errors there is room for before the bars grow: the heading and six kinds.
const ERRORS_HIGH: u16 = 7;
/// The lines that the bars have at the least.
const BARS: u16 = 2;

/// Everything that is shown.
pub(super) struct Picture<'a> {
    pub(super) elapsed: Duration,
    pub(super) span: Duration,
    pub(super) rate: u32,
    pub(super) now: Instant,
    pub(super) broken: &'a [Broken],
    pub(super) happened: &'a VecDeque<Happened>,
    pub(super) lanes: [(&'static str, Glance); 2],
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let rows = Layout::vertical([Constraint::Length(4), Constraint::Min(0), Constraint::Length(1)]);
    let [header, middle, footer] = rows.areas(frame.area());
    draw_header(frame, header, picture);
    let columns = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas::<2>(middle);
    for (area, (name, glance)) in columns.into_iter().zip(&picture.lanes) {
        draw_lane(frame, area, name, glance, picture);
    }
    frame.render_widget(keys(), footer);
}

fn draw_header(frame: &mut Frame<'_>, area: Rect, picture: &Picture<'_>) {
    let [time, broken, happened] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(2)]).areas(area);
    let part = picture.elapsed.as_secs_f64() / picture.span.as_secs_f64();
    let label = format!("plimsoll demo   {} of {}", clock(picture.elapsed), clock(picture.span));
    let bar = Gauge::default().ratio(part.clamp(0.0, 1.0)).label(label);
    frame.render_widget(bar.gauge_style(Style::new().fg(Color::Blue).bg(Color::Black)), time);
    frame.render_widget(state(picture), broken);
    let lines: Vec<Line<'_>> = picture
        .happened
        .iter()
        .map(|(at, what)| Line::from(format!(" {}  {what}", clock(*at))).dim())
        .collect();
    frame.render_widget(Paragraph::new(lines), happened);
}

fn state(picture: &Picture<'_>) -> Line<'static> {
    if picture.broken.is_empty() {
        return Line::from(" nothing is broken; press a key below").green();
    }
    let broken: Vec<String> = picture
        .broken
        .iter()
        .map(|broken| {
            let since = picture.now.saturating_duration_since(broken.since).as_secs();
            format!("{} for {since} s", broken.what)
        })
        .collect();
    Line::from(format!(" BROKEN: {}", broken.join(", "))).red().bold()
}

fn draw_lane(frame: &mut Frame<'_>, area: Rect, name: &str, glance: &Glance, picture: &Picture<'_>) {
    let title = format!(" {name}: {} requests a second ", picture.rate);
    let block = Block::bordered().title(title.bold());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let (figures, errors) = if errors_stand_beside(frame.area()) {
        let columns = [Constraint::Fill(1), Constraint::Length(2), Constraint::Length(ERRORS_WIDE)];
        let [figures, _, errors] = Layout::horizontal(columns).areas(inside);
        (figures, errors)
    } else {
        let rows = [Constraint::Length(figures_high(inside.height)), Constraint::Min(0)];
        let [figures, errors] = Layout::vertical(rows).areas(inside);
        (figures, errors)
    };
    draw_figures(frame, figures, glance, picture);
    frame.render_widget(Paragraph::new(errors_by_kind(glance, errors.height)), errors);
}

/// Asked of the screen and not of a lane: with an odd number of columns one lane has one more.
fn errors_stand_beside(screen: Rect) -> bool {
    screen.width >= WIDE && screen.height < HIGH
}

/// What the figures get of a lane's lines where the errors come below them.
fn figures_high(lane: u16) -> u16 {
    let least = FIGURES + 2 * BARS;
    least.max(lane.saturating_sub(ERRORS_HIGH))
}

/// The lines of figures that are not bars.
const FIGURES: u16 = 6;

/// The figures of this moment, the bars, and how requests have ended.
fn draw_figures(frame: &mut Frame<'_>, area: Rect, glance: &Glance, picture: &Picture<'_>) {
    let high = BARS.max(area.height.saturating_sub(FIGURES) / 2);
    let rows = [2, 1, high, 1, high, 2].map(Constraint::Length);
    let [now, waits_title, waits_area, yes_title, yes, counts] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(figures_of_now(glance)), now);
    frame.render_widget(Line::from("p99 of each second, 1 ms to 2 s").dim(), waits_title);
    frame.render_widget(waits(&glance.waits, waits_area.width, picture.span), waits_area);
    let per_second = format!("acknowledged each second: {}", glance.acknowledged_per_second);
    frame.render_widget(Line::from(per_second).dim(), yes_title);
    frame.render_widget(acknowledged(&glance.acknowledged, yes.width, picture.span, picture.rate), yes);
    frame.render_widget(Paragraph::new(ends(glance)), counts);
}

fn figures_of_now(glance: &Glance) -> Vec<Line<'static>> {
    let oldest = glance.oldest.as_secs_f64() * 1000.0;
    let busy = Style::new().fg(if oldest < 500.0 { Color::Reset } else { Color::Yellow });
    let shown = |value: Option<f64>| ms(value.unwrap_or(f64::NAN));
    vec![
        Line::from(vec![
            Span::raw("in flight "),
            Span::styled(format!("{:<6}", count(glance.in_flight as u64)), busy.bold()),
            Span::raw("the oldest "),
            Span::styled(if glance.in_flight == 0 { "-".to_owned() } else { ms(oldest) }, busy),
        ]),
        Line::from(format!("last {WINDOW} s: p50 {}, p99 {}", shown(glance.p50), shown(glance.p99))),
    ]
}

fn ends(glance: &Glance) -> Vec<Line<'static>> {
    let counts = glance.counts;
    vec![
        Line::from(vec![
            Span::raw("acknowledged "),
            Span::raw(format!("{:<8}", count(counts.acknowledged))).green().bold(),
            Span::raw("unknown "),
            Span::raw(count(counts.unknown)).yellow().bold(),
        ]),
        Line::from(vec![
            Span::raw("refused "),
            Span::raw(format!("{:<13}", count(counts.refused))).bold(),
            Span::raw("failed "),
            Span::raw(count(counts.failed)).bold(),
        ]),
    ]
}

/// The most frequent, as many as there is room for.
fn errors_by_kind(glance: &Glance, height: u16) -> Vec<Line<'static>> {
    let mut lines = vec![Line::from("errors").dim()];
    for (word, many) in glance.errors.iter().take(usize::from(height.saturating_sub(1))) {
        lines.push(Line::from(format!("{:>6} {word}", count(*many))));
    }
    lines
}

fn keys() -> Line<'static> {
    let keys = [
        ("f", "freeze"),
        ("t", "thaw"),
        ("k", "kill"),
        ("s", "slow"),
        ("c", "cut"),
        ("o", "overload"),
        ("h", "heal wires"),
        ("q", "quit"),
    ];
    let spans = keys.into_iter().flat_map(|(key, what)| {
        [Span::raw(format!(" {key} ")).reversed().bold(), Span::raw(format!("{what} "))]
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// `00:07`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::super::super::lane::Counts;
    use super::super::super::stage::Part;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::buffer::Buffer;

    const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 24), (200, 50)];
    const SPAN: u64 = 60;

    /// A lane that was frozen from the 20th to the 27th second, after so many seconds.
    fn glance(seconds: u64, errors: &[(&'static str, u64)]) -> Glance {
        let is_frozen = |second| (20..28).contains(&second);
        Glance {
            in_flight: 12,
            oldest: Duration::from_millis(3),
            acknowledged_per_second: 200,
            p50: Some(0.4),
            p99: Some(2.1),
            counts: Counts { acknowledged: 11_998, refused: 1_487, failed: 3, unknown: 12 },
            errors: errors.iter().map(|(word, many)| ((*word).into(), *many)).collect(),
            waits: (0..seconds).map(|second| Some(if is_frozen(second) { 2_000.0 } else { 1.3 })).collect(),
            acknowledged: (0..seconds).map(|second| if is_frozen(second) { 0 } else { 200 }).collect(),
        }
    }

    fn screen(size: (u16, u16), seconds: u64) -> Buffer {
        let now = Instant::now();
        let happened = VecDeque::from([
            (Duration::from_secs(20), "the server is frozen".to_owned()),
            (Duration::from_secs(28), "the server is thawed".to_owned()),
        ]);
        let broken = Broken {
            what: "the server is frozen".to_owned(),
            since: now - Duration::from_secs(3),
            of: Part::Server,
        };
        let plain = [("deadline passed", 1_600), ("server shut down (57P01)", 10), ("no connection", 5)];
        let guarded = [
            ("breaker open (PL-BRK-01)", 1_487),
            ("transaction timeout (PL-TXN-01)", 99_999),
            ("connection lost (PL-LNK-01)", 3),
        ];
        let picture = Picture {
            elapsed: Duration::from_secs(seconds),
            span: Duration::from_secs(SPAN),
            rate: 200,
            now,
            broken: &[broken],
            happened: &happened,
            lanes: [("deadpool", glance(seconds, &plain)), ("plimsoll", glance(seconds, &guarded))],
        };
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
        terminal.draw(|frame| draw(frame, &picture)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn text(buffer: &Buffer) -> String {
        let area = buffer.area;
        let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..area.height).map(|y| format!("{}\n", line(y).trim_end())).collect()
    }

    /// The columns in which there is a part of a bar.
    fn columns_with_bars(buffer: &Buffer) -> Vec<u16> {
        let is_bar = |x: u16, y: u16| "▁▂▃▄▅▆▇█".contains(buffer[(x, y)].symbol());
        // Below the header, whose gauge is drawn with blocks as well.
        let has_bar = |x| (4..buffer.area.height - 1).any(|y| is_bar(x, y));
        (0..buffer.area.width).filter(|x| has_bar(*x)).collect()
    }

    #[test]
    fn the_screen_is_as_before() {
        for (columns, rows) in SIZES {
            let text = text(&screen((columns, rows), SPAN));
            crate::columns::is_kept(&format!("demo-{columns}x{rows}.txt"), &text);
        }
    }

    /// A minute fills the columns of each lane that are not for the errors, without a gap, however wide it is.
    #[test]
    fn the_bars_of_the_whole_time_reach_over_the_lane() {
        for size in [(80, 24), (101, 30), (120, 40), (139, 24), (140, 24), (200, 24), (200, 50), (300, 80)] {
            let with_bars = columns_with_bars(&screen(size, SPAN));
            let lane = size.0 / 2;
            let inside = lane - 2;
            let is_beside = errors_stand_beside(Rect::new(0, 0, size.0, size.1));
            let bars = if is_beside { inside - ERRORS_WIDE - 2 } else { inside };
            for left in [0, lane] {
                let of_lane: Vec<u16> =
                    with_bars.iter().copied().filter(|x| (left..left + lane).contains(x)).collect();
                // An odd column goes to one of the lanes.
                let range = of_lane.first().unwrap() - left..of_lane.last().unwrap() - left + 1;
                assert!(range.start <= 2 && range.end >= bars, "{size:?}: {range:?} of {bars}");
                assert!(of_lane.len() >= usize::from(bars), "{size:?}: a gap in {of_lane:?}");
            }
        }
    }

    #[test]
    fn after_half_of_the_time_half_of_the_bars_are_there() {
        for size in SIZES {
            let seconds = SPAN / 2;
            let with_bars = columns_with_bars(&screen(size, seconds));
            let of_first = with_bars.iter().filter(|x| **x < size.0 / 2).count() as u64;
            let all =
                columns_with_bars(&screen(size, SPAN)).iter().filter(|x| **x < size.0 / 2).count() as u64;
            // One column a second where there are fewer columns than seconds.
            let half = if all < SPAN { seconds } else { all / 2 };
            assert!(of_first.abs_diff(half) <= 1, "{size:?}: {of_first} of {all}");
        }
    }

    #[test]
    fn each_error_and_each_key_is_told_whole() {
        for size in SIZES {
            let text = text(&screen(size, SPAN));
            for line in [
                " 1,487 breaker open (PL-BRK-01)",
                "99,999 transaction timeout (PL-TXN-01)",
                "    10 server shut down (57P01)",
                // The last of the keys, which is the way out.
                " q quit",
            ] {
                assert!(text.contains(line), "{line} at {size:?}:\n{text}");
            }
        }
    }

    #[test]
    fn no_terminal_is_too_small() {
        for size in [(1, 1), (10, 3), (39, 5), (80, 6), (141, 9), (600, 200)] {
            screen(size, SPAN);
        }
    }
}
