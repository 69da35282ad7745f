//! Values over time, as SVG: lines and steps, spans of a fault shaded, marks with numbers that are told below. It is drawn twice,
//! for a screen and for a phone, so that its words can be read on both.
//!
//! | file | what is in it |
//! |---|---|
//! | `axis` | which values an axis covers, and where its ticks are |
//! | `draw` | the SVG |

mod axis;
mod draw;

use axis::Axis;
use draw::Size;
use maud::{Markup, html};
use std::fmt::Write;
use std::time::Duration;

/// What the values are, for how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A time, in milliseconds.
    Millis,
    /// How many.
    Count,
    /// How many in a second.
    PerSecond,
    /// How many of a hundred.
    Percent,
}

impl Unit {
    /// A value in words: `1.5 s`, `12k`.
    pub(super) fn told(self, value: f64) -> String {
        let number = |value: f64| {
            let digits = usize::from(value.abs() < 10.0 && value.fract().abs() > 0.005);
            format!("{value:.digits$}")
        };
        let large = |value: f64| match value.abs() {
            it if it >= 1_000_000.0 => format!("{}M", number(value / 1_000_000.0)),
            it if it >= 10_000.0 => format!("{}k", number(value / 1_000.0)),
            _ => number(value),
        };
        match self {
            Unit::Millis if value >= 1_000.0 => format!("{} s", number(value / 1_000.0)),
            Unit::Millis if value > 0.0 && value < 0.1 => format!("{value:.2} ms"),
            Unit::Millis => format!("{} ms", number(value)),
            Unit::Count => large(value),
            Unit::PerSecond => format!("{}/s", large(value)),
            Unit::Percent => format!("{} %", number(value)),
        }
    }
}

/// How a curve goes from one value to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Line,
    Step,
}

/// One curve.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    shape: Shape,
    is_trouble: bool,
    /// Seconds since the beginning, in their order, and the value; `None` is a hole.
    points: Vec<(f64, Option<f64>)>,
}

impl Series {
    /// Straight lines between values that were measured: seconds since the beginning, and the value. Where it is `None`, or no
    /// number, the curve has a hole.
    #[must_use]
    pub fn line(name: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        Series::of(name, Shape::Line, points)
    }

    /// Each value holds until the next one: a number of connections.
    #[must_use]
    pub fn step(name: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        Series::of(name, Shape::Step, points)
    }

    /// In the colour of trouble: errors, refusals, what was lost.
    #[must_use]
    pub fn of_trouble(mut self) -> Self {
        self.is_trouble = true;
        self
    }

    /// What its colour is called, as the curve of this number in its chart.
    fn colour(&self, nth: usize) -> String {
        if self.is_trouble { "trouble".to_owned() } else { (nth % 4).to_string() }
    }

    fn of(name: &str, shape: Shape, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        let points = points.into_iter().filter(|(at, _)| at.is_finite());
        let mut points: Vec<_> =
            points.map(|(at, value)| (at, value.filter(|value| value.is_finite()))).collect();
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Series { name: name.to_owned(), shape, is_trouble: false, points }
    }

    fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.points.iter().filter_map(|(_, value)| *value)
    }
}

#[derive(Clone, Debug)]
struct Band {
    from: f64,
    to: f64,
    told: String,
}

#[derive(Clone, Debug)]
struct Mark {
    at: f64,
    told: String,
}

/// A chart. Up to four curves can be told apart, and those of trouble.
#[derive(Clone, Debug)]
pub struct Chart {
    title: String,
    unit: Unit,
    is_logarithmic: bool,
    series: Vec<Series>,
    bands: Vec<Band>,
    marks: Vec<Mark>,
}

impl Chart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: &str, unit: Unit) -> Self {
        Chart {
            title: title.to_owned(),
            unit,
            is_logarithmic: false,
            series: Vec::new(),
            bands: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// 1 and 10 are as far apart as 10 and 100: for times, which differ by much. What is not above zero is drawn at the bottom.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.is_logarithmic = true;
        self
    }

    /// Another curve.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// A span that is shaded: a fault, from its beginning to its end.
    #[must_use]
    pub fn band(mut self, from: Duration, to: Duration, told: &str) -> Self {
        self.bands.push(Band { from: from.as_secs_f64(), to: to.as_secs_f64(), told: told.to_owned() });
        self
    }

    /// A moment: a line with a number, which is told below.
    #[must_use]
    pub fn mark(mut self, at: Duration, told: &str) -> Self {
        self.marks.push(Mark { at: at.as_secs_f64(), told: told.to_owned() });
        self
    }

    fn time(&self) -> Axis {
        let points = self.series.iter().flat_map(|series| &series.points).map(|(at, _)| *at);
        let bands = self.bands.iter().flat_map(|band| [band.from, band.to]);
        Axis::exact(points.chain(bands).chain(self.marks.iter().map(|mark| mark.at)))
    }

    fn values(&self) -> Axis {
        let values = self.series.iter().flat_map(Series::values);
        if self.is_logarithmic { Axis::logarithmic(values) } else { Axis::linear(values) }
    }

    /// The same for those who cannot see it.
    fn about(&self) -> String {
        let mut about = self.title.clone();
        for series in &self.series {
            let (mut most, mut last) = (f64::NEG_INFINITY, None);
            for value in series.values() {
                most = most.max(value);
                last = Some(value);
            }
            let _ = match last {
                Some(last) => write!(
                    about,
                    "; {}: at most {}, in the end {}",
                    series.name,
                    self.unit.told(most),
                    self.unit.told(last)
                ),
                None => write!(about, "; {}: no value", series.name),
            };
        }
        about
    }

    pub(super) fn markup(&self) -> Markup {
        html! {
            figure.chart {
                figcaption {
                    b { (self.title) }
                    @for (nth, series) in self.series.iter().enumerate() {
                        span { i class={ "key key-" (series.colour(nth)) } {} (series.name) }
                    }
                }
                (draw::svg(self, Size::WIDE, Some(&self.about())))
                (draw::svg(self, Size::NARROW, None))
                @if !self.marks.is_empty() || !self.bands.is_empty() {
                    ul.told {
                        @for band in &self.bands {
                            li { i.band-key {} (seconds(band.from)) " to " (seconds(band.to)) ": " (band.told) }
                        }
                        @for (nth, mark) in self.marks.iter().enumerate() {
                            li { b { (nth + 1) } " at " (seconds(mark.at)) ": " (mark.told) }
                        }
                    }
                }
            }
        }
    }
}

/// A time since the beginning.
fn seconds(at: f64) -> String {
    let text = format!("{at:.1}");
    format!("{} s", text.strip_suffix(".0").unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_short() {
        let cases = [
            (Unit::Millis, 0.05, "0.05 ms"),
            (Unit::Millis, 2.5, "2.5 ms"),
            (Unit::Millis, 999.0, "999 ms"),
            (Unit::Millis, 1_500.0, "1.5 s"),
            (Unit::Count, 0.0, "0"),
            (Unit::Count, 12_300.0, "12k"),
            (Unit::PerSecond, 800.0, "800/s"),
            (Unit::Percent, 99.5, "100 %"),
            (Unit::Percent, 2.0, "2 %"),
        ];
        for (unit, value, text) in cases {
            assert_eq!(unit.told(value), text);
        }
    }

    #[test]
    fn a_chart_without_values_or_with_odd_ones_is_drawn_all_the_same() {
        let odd = [(0.0, Some(f64::NAN)), (f64::INFINITY, Some(1.0)), (1.0, Some(-5.0)), (1.0, Some(0.0))];
        let charts = [
            Chart::new("a", Unit::Count),
            Chart::new("b", Unit::Millis).logarithmic().series(Series::line("odd", odd)),
            Chart::new("c", Unit::Millis).series(Series::step("odd", odd)).mark(Duration::MAX, "never"),
        ];
        for chart in charts {
            let text = chart.markup().into_string();
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
