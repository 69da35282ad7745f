//! The picture: a header with the time and what is broken now, two lanes side by side, the keys below.
//!
//! It is made for 80 columns and 24 lines, and gives what is more to the lists of errors. The bars of time are
//! logarithmic, from a millisecond to the deadline, since what matters (two milliseconds, fifty, two thousand) would
//! otherwise be a flat line and a wall. Colour repeats what a word says already; without colours nothing is missing.

use super::super::DEADLINE;
use super::super::lane::{Glance, WINDOW};
use super::super::stage::Broken;
use super::super::table::{count, ms};
use super::Happened;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Sparkline, SparklineBar};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
        draw_lane(frame, area, name, glance, picture.rate);
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

fn draw_lane(frame: &mut Frame<'_>, area: Rect, name: &str, glance: &Glance, rate: u32) {
    let title = format!(" {name}: {rate} requests a second ");
    let block = Block::bordered().title(title.bold());
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let rows = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(2),
        Constraint::Min(0),
    ]);
    let [now, waits_title, waits, yes_title, yes, counts, errors] = rows.areas(inside);
    frame.render_widget(Paragraph::new(figures_of_now(glance)), now);
    frame.render_widget(Line::from("p99 of each second, 1 ms to 2 s").dim(), waits_title);
    frame.render_widget(wait_bars(glance, waits.width), waits);
    let per_second = format!("acknowledged each second: {}", glance.acknowledged_per_second);
    frame.render_widget(Line::from(per_second).dim(), yes_title);
    let bars = last(&glance.acknowledged, yes.width).iter().copied();
    let bars = Sparkline::default().data(bars).max(u64::from(rate)).style(Style::new().fg(Color::Green));
    frame.render_widget(bars, yes);
    frame.render_widget(Paragraph::new(ends(glance)), counts);
    frame.render_widget(Paragraph::new(errors_by_kind(glance, errors.height)), errors);
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
        lines.push(Line::from(format!("{:>8}  {word}", count(*many))));
    }
    lines
}

/// One bar a second; a second in which nobody was answered has none.
fn wait_bars(glance: &Glance, width: u16) -> Sparkline<'static> {
    let bars = last(&glance.waits, width).iter().map(|wait| {
        let colour = match wait {
            Some(wait) if *wait >= 500.0 => Color::Red,
            Some(wait) if *wait >= 50.0 => Color::Yellow,
            _ => Color::Green,
        };
        SparklineBar::from(wait.map(height)).style(Style::new().fg(colour))
    });
    Sparkline::default().data(bars).max(height(DEADLINE.as_secs_f64() * 1000.0))
}

/// A millisecond and less is one, and each doubling ten more.
fn height(ms: f64) -> u64 {
    (ms.max(1.0).log2() * 10.0).round() as u64 + 1
}

fn last<T>(all: &[T], width: u16) -> &[T] {
    all.get(all.len().saturating_sub(usize::from(width))..).unwrap_or_default()
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
        [Span::raw(format!(" {key} ")).reversed().bold(), Span::raw(format!(" {what} "))]
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// `00:07`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
