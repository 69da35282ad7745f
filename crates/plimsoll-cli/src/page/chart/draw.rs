//! The SVG of a chart.

use super::axis::Axis;
use super::{Chart, Series, Shape, seconds};
use maud::{Markup, html};
use std::fmt::Write;

/// How large a chart is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    class: &'static str,
    width: f64,
    height: f64,
    /// About how many ticks the axis of time has room for.
    ticks: f64,
}

impl Size {
    pub(super) const WIDE: Size = Size { class: "wide", width: 1_120.0, height: 250.0, ticks: 12.0 };
    pub(super) const NARROW: Size = Size { class: "narrow", width: 350.0, height: 210.0, ticks: 4.0 };
}

/// What is kept at the edges for words.
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 18.0;
const BOTTOM: f64 = 22.0;

/// The room for the curves, with its axes.
struct Field {
    size: Size,
    time: Axis,
    values: Axis,
}

impl Field {
    fn x(&self, at: f64) -> f64 {
        LEFT + (self.size.width - LEFT - RIGHT) * self.time.share(at)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (self.bottom() - TOP) * (1.0 - self.values.share(value))
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }

    fn right(&self) -> f64 {
        self.size.width - RIGHT
    }
}

/// The chart in this size. Without `about` it is not told to those who cannot see it.
pub(super) fn svg(chart: &Chart, size: Size, about: Option<&str>) -> Markup {
    let field = Field { size, time: chart.time(), values: chart.values() };
    let n = number;
    html! {
        svg class=(size.class) viewBox={ "0 0 " (size.width) " " (size.height) }
            role=[about.map(|_| "img")] aria-label=[about] aria-hidden=[about.is_none().then_some("true")] {
            @for band in &chart.bands {
                rect.band x=(n(field.x(band.from))) y=(n(TOP)) height=(n(field.bottom() - TOP))
                    width=(n((field.x(band.to) - field.x(band.from)).max(2.0))) {}
            }
            @for tick in field.values.ticks(4.0) {
                line.grid x1=(n(LEFT)) x2=(n(field.right())) y1=(n(field.y(tick))) y2=(n(field.y(tick))) {}
                text x=(n(LEFT - 8.0)) y=(n(field.y(tick) + 4.0)) text-anchor="end" { (chart.unit.told(tick)) }
            }
            @for tick in field.time.ticks(size.ticks) {
                text x=(n(field.x(tick))) y=(n(size.height - 5.0)) text-anchor="middle" { (seconds(tick)) }
            }
            @for (nth, mark) in chart.marks.iter().enumerate() {
                line.mark x1=(n(field.x(mark.at))) x2=(n(field.x(mark.at))) y1=(n(TOP)) y2=(n(field.bottom())) {}
                text.number x=(n(field.x(mark.at))) y=(n(mark_height(chart, &field, nth))) { (nth + 1) }
            }
            @for (nth, series) in chart.series.iter().enumerate() {
                path class={ "curve curve-" (series.colour(nth)) } d=(path(series, &field)) {}
            }
        }
    }
}

/// A number that would lie on that of the mark before it is written lower.
fn mark_height(chart: &Chart, field: &Field, nth: usize) -> f64 {
    let place = |nth: usize| chart.marks.get(nth).map(|mark| field.x(mark.at));
    let mut row = 0.0;
    let mut at = nth;
    while at > 0
        && row < 5.0
        && place(at).zip(place(at - 1)).is_some_and(|(one, before)| (one - before).abs() < 12.0)
    {
        row += 1.0;
        at -= 1;
    }
    12.0 + row * 12.0
}

/// The curve as a path. Where more values lie on one pixel than it can show, the least and the largest of them are drawn, so that no
/// peak is lost.
fn path(series: &Series, field: &Field) -> String {
    let mut path = String::new();
    let mut is_down = false;
    let mut last_y = 0.0;
    for (x, value) in thinned(series, field) {
        let Some(value) = value else {
            is_down = false;
            continue;
        };
        let y = field.y(value);
        if is_down && series.shape == Shape::Step {
            let _ = write!(path, "H{x:.1}");
        }
        let _ = match (is_down, series.shape) {
            (false, _) => write!(path, "M{x:.1} {y:.1}"),
            (true, Shape::Line) => write!(path, "L{x:.1} {y:.1}"),
            (true, Shape::Step) if (last_y - y).abs() < 0.05 => Ok(()),
            (true, Shape::Step) => write!(path, "V{y:.1}"),
        };
        // A value between two holes is a dot.
        if !is_down {
            path.push_str("h0.1");
        }
        (is_down, last_y) = (true, y);
    }
    path
}

/// At most four points for each pixel of the width.
fn thinned(series: &Series, field: &Field) -> Vec<(f64, Option<f64>)> {
    let on_a_pixel = |one: &(f64, Option<f64>), other: &(f64, Option<f64>)| {
        let column = |at: f64| field.x(at).floor();
        column(one.0).total_cmp(&column(other.0)).is_eq() && one.1.is_some() == other.1.is_some()
    };
    let mut points = Vec::new();
    for same in series.points.chunk_by(on_a_pixel) {
        let mut kept: Vec<&(f64, Option<f64>)> = match same {
            [] => continue,
            few if few.len() <= 4 => few.iter().collect(),
            [first, .., last] => {
                let value = |point: &&(f64, Option<f64>)| point.1.unwrap_or_default();
                let by = |one: &&(f64, Option<f64>), other: &&(f64, Option<f64>)| {
                    value(one).total_cmp(&value(other))
                };
                let extremes = [same.iter().min_by(by), same.iter().max_by(by)];
                extremes.into_iter().flatten().chain([first, last]).collect()
            }
            [only] => vec![only],
        };
        kept.sort_by(|one, other| one.0.total_cmp(&other.0));
        points.extend(kept.into_iter().map(|(at, value)| (field.x(*at), *value)));
    }
    points
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::super::Unit;
    use super::*;

    fn field(chart: &Chart) -> Field {
        Field { size: Size::WIDE, time: chart.time(), values: chart.values() }
    }

    #[test]
    fn a_peak_is_not_lost_among_many_values() {
        let many = (0..100_000_u32)
            .map(|nth| (f64::from(nth) / 1_000.0, Some(if nth == 51_234 { 900.0 } else { 1.0 })));
        let series = Series::line("many", many);
        let chart = Chart::new("", Unit::Millis).series(series.clone());
        let points = thinned(&series, &field(&chart));
        assert!(points.len() < 5_000, "{}", points.len());
        assert!(points.iter().any(|(_, value)| *value == Some(900.0)));
    }

    #[test]
    fn a_hole_is_no_line() {
        let points = [(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(1.0))];
        for (series, lines) in [(Series::line("", points), 'L'), (Series::step("", points), 'V')] {
            let chart = Chart::new("", Unit::Count).series(series.clone());
            let path = path(&series, &field(&chart));
            assert_eq!(path.matches('M').count(), 2, "{path}");
            assert_eq!(path.matches(lines).count(), 1, "{path}");
        }
    }
}
