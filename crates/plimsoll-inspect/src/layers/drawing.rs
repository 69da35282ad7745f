//! Limits as a drawing: a bar for each, as long as the limit, on an axis of time on which 1 s and 10 s are as far apart
//! as 10 s and 100 s. A line may run through all of it, for the deadline of a request: what lies inside a request and is longer is
//! drawn pale beyond that line, since it holds only for work that no request waits for.
//!
//! Plain SVG with its own style for light and dark, and text that can be selected.

use crate::span::in_words;
use std::fmt::Write;
use std::time::Duration;

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Drawing<'a> {
    /// Where the file comes from, as a comment in it.
    pub made_by: &'a str,
    /// What it shows.
    pub title: &'a str,
    /// The line below the title.
    pub subtitle: &'a str,
    /// What stands above the last column.
    pub last_column: &'a str,
    /// The last lines; what begins with `!` is drawn as a fault.
    pub notes: &'a [String],
    /// The deadline of a request, if there is one for all.
    pub deadline: Option<Duration>,
    /// From the outside in.
    pub bars: &'a [Bar],
}

/// One limit.
#[derive(Clone, Debug, Default)]
pub struct Bar {
    /// The layer; neighbours of the same layer are drawn together.
    pub layer: &'static str,
    /// What it is called.
    pub name: String,
    /// How long it is; `None` if there is no end to it.
    pub after: Option<Duration>,
    /// Who keeps it.
    pub keeper: &'static str,
    /// The last column.
    pub told: String,
    /// It lies inside a request, so the request's deadline comes first where it is longer.
    pub is_inside: bool,
    /// It is not where it ought to be.
    pub is_wrong: bool,
}

const WIDTH: f64 = 1120.0;
/// Where the names, the bars, the keepers and the last column begin.
const NAMES: f64 = 128.0;
const LEFT: f64 = 402.0;
const RIGHT: f64 = 806.0;
const KEEPERS: f64 = 834.0;
const TOLD: f64 = 938.0;
const TOP: f64 = 112.0;
const ROW: f64 = 25.0;
/// More room between two layers.
const GAP: f64 = 9.0;
const BAR: f64 = 12.0;

/// What the axis covers at least, in seconds.
const FROM: f64 = 0.5;
const TO: f64 = 130.0;
const TICKS: [f64; 15] =
    [0.01, 0.1, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 86_400.0];

const STYLE: &str = "\
    svg { --paper: #ffffff; --ink: #1f2328; --soft: #656d76; --line: #d8dee4; --band: #f6f8fa;
          --bar: #57789a; --proxy: #8a94a0; --server: #3f7f6d; --kernel: #a08a4f; --mark: #bc4c00; --wrong: #cf222e; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #0d1117; --ink: #e6edf3; --soft: #8d96a0; --line: #2b323b; --band: #151b23;
            --bar: #7ba3cf; --proxy: #7d8590; --server: #5fae97; --kernel: #c2ab6b; --mark: #f0883e; --wrong: #f85149; }
    }
    text { font: 13px system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'Liberation Sans', Helvetica, Arial, sans-serif;
           fill: var(--ink); }
    .paper { fill: var(--paper); } .band { fill: var(--band); }
    .title { font-size: 17px; font-weight: 600; } .soft { fill: var(--soft); } .head { fill: var(--soft); font-size: 12px; }
    .layer { font-weight: 600; }
    .name { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace; }
    .value { font-size: 12px; font-weight: 600; paint-order: stroke; stroke: var(--under); stroke-width: 5px;
             stroke-linejoin: round; }
    .within { fill: var(--paper); text-anchor: end; paint-order: fill; stroke: none; }
    .tick { font-size: 11px; fill: var(--soft); text-anchor: middle; }
    .grid { stroke: var(--line); stroke-width: 1; }
    .mark { stroke: var(--mark); stroke-width: 1.5; } .marked { fill: var(--mark); font-weight: 600; }
    .program { fill: var(--bar); } .postgresql { fill: var(--server); } .nginx { fill: var(--proxy); }
    .kernel { fill: var(--kernel); } .client { fill: var(--proxy); }
    .beyond { opacity: 0.28; } .wrong { fill: var(--wrong); } .said { fill: var(--wrong); font-weight: 600; }
";

/// The axis of time.
#[derive(Clone, Copy, Debug)]
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn of(bars: &[Bar]) -> Self {
        let all = || bars.iter().filter_map(|bar| bar.after).map(|after| after.as_secs_f64());
        Axis {
            from: all().fold(FROM, |least, it| least.min(it * 0.8)).max(0.001),
            to: all().fold(TO, |most, it| most.max(it * 1.1)),
        }
    }

    /// Where a time lies on it.
    fn x(self, seconds: f64) -> f64 {
        let at = (seconds.max(self.from) / self.from).ln() / (self.to / self.from).ln();
        LEFT + (RIGHT - LEFT) * at.min(1.0)
    }

    fn of_span(self, span: Duration) -> f64 {
        self.x(span.as_secs_f64())
    }

    /// Marks that do not run into each other.
    fn ticks(self) -> Vec<f64> {
        let mut ticks: Vec<f64> = Vec::new();
        for tick in TICKS.into_iter().filter(|tick| (self.from..self.to).contains(tick)) {
            if ticks.last().is_none_or(|last| self.x(tick) - self.x(*last) > 28.0) {
                ticks.push(tick);
            }
        }
        ticks
    }
}

fn class(keeper: &str) -> &'static str {
    match keeper {
        "PostgreSQL" => "postgresql",
        "the kernel" => "kernel",
        "nginx" | "the client" | "PgBouncer" => "nginx",
        _ => "program",
    }
}

/// A layer, and what lies in it.
fn bands(bars: &[Bar]) -> Vec<&[Bar]> {
    bars.chunk_by(|one, next| one.layer == next.layer).collect()
}

/// The drawing, as a file of SVG.
#[must_use]
pub fn svg(drawing: &Drawing<'_>) -> String {
    let bands = bands(drawing.bars);
    let axis = Axis::of(drawing.bars);
    let rows = bands.iter().fold(TOP, |y, band| y + band_height(band) + GAP);
    let notes = lines(drawing.notes);
    let height = notes.iter().fold(rows + 54.0, |height, _| height + 20.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title about\">\n<!-- {} -->\n\
         <title id=\"title\">The layers of time limits</title>\n\
         <desc id=\"about\">{}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        drawing.made_by,
        escaped(&about(drawing.bars)),
    );
    let bottom = rows - GAP;
    head(&mut svg, drawing);
    let mut y = TOP;
    for (nth, band) in bands.iter().enumerate() {
        if nth % 2 == 0 {
            rect(&mut svg, "band", 16.0, y, WIDTH - 32.0, band_height(band));
        }
        y += band_height(band) + GAP;
    }
    grid(&mut svg, axis, bottom, drawing.deadline);
    let mut y = TOP;
    for (nth, band) in bands.iter().enumerate() {
        let under = if nth % 2 == 0 { "--band" } else { "--paper" };
        draw(&mut svg, axis, band, y, under, drawing.deadline);
        y += band_height(band) + GAP;
    }
    foot(&mut svg, bottom + 34.0, drawing, &notes);
    svg.push_str("</svg>\n");
    svg
}

fn band_height(band: &[Bar]) -> f64 {
    band.iter().fold(8.0, |height, _| height + ROW)
}

/// The same for those who cannot see it.
fn about(bars: &[Bar]) -> String {
    let told = bars.iter().map(|bar| {
        let after = bar.after.map_or("no limit of its own".to_owned(), in_words);
        let wrong = if bar.is_wrong { ", which is wrong" } else { "" };
        format!("{}, {}: {after}, kept by {}{wrong}", bar.layer, bar.name, bar.keeper)
    });
    told.collect::<Vec<_>>().join("; ")
}

fn head(svg: &mut String, drawing: &Drawing<'_>) {
    text(svg, "title", 16.0, 34.0, drawing.title);
    text(svg, "soft", 16.0, 56.0, drawing.subtitle);
    for (at, words) in [(28.0, "layer"), (NAMES, "limit"), (KEEPERS, "kept by"), (TOLD, drawing.last_column)]
    {
        text(svg, "head", at, TOP - 12.0, words);
    }
}

fn grid(svg: &mut String, axis: Axis, bottom: f64, deadline: Option<Duration>) {
    for tick in axis.ticks() {
        line(svg, "grid", axis.x(tick), TOP - 4.0, bottom);
        text(svg, "tick", axis.x(tick), TOP - 12.0, &in_words(Duration::from_secs_f64(tick)));
    }
    let Some(deadline) = deadline else { return };
    let at = axis.of_span(deadline);
    line(svg, "mark", at, TOP - 26.0, bottom);
    let words = format!("a request's deadline: {}", in_words(deadline));
    text(svg, "marked", at + 6.0, TOP - 28.0, &words);
}

fn draw(svg: &mut String, axis: Axis, band: &[Bar], top: f64, under: &str, deadline: Option<Duration>) {
    for (nth, it) in band.iter().enumerate() {
        let y = band.iter().take(nth).fold(top + 4.0, |y, _| y + ROW);
        let base = y + 17.0;
        if nth == 0 {
            text(svg, "layer", 28.0, base, it.layer);
        }
        text(svg, if it.after.is_some() { "name" } else { "soft" }, NAMES, base, &it.name);
        text(svg, "soft", KEEPERS, base, it.keeper);
        text(svg, "told", TOLD, base, &it.told);
        bar(svg, axis, it, y + (ROW - BAR) / 2.0, under, deadline);
    }
}

fn bar(svg: &mut String, axis: Axis, bar: &Bar, y: f64, under: &str, deadline: Option<Duration>) {
    let kind = if bar.is_wrong { "wrong" } else { class(bar.keeper) };
    let Some(after) = bar.after else {
        rect(svg, &format!("{kind} beyond"), LEFT, y, RIGHT - LEFT, BAR);
        return;
    };
    let whole = axis.of_span(after);
    let mark = deadline.map(|deadline| axis.of_span(deadline));
    let solid = mark.filter(|_| bar.is_inside).map_or(whole, |mark| whole.min(mark));
    rect(svg, kind, LEFT, y, solid - LEFT, BAR);
    if solid < whole {
        rect(svg, &format!("{kind} beyond"), solid, y, whole - solid, BAR);
    }
    // Beside the bar; within it where the line of the deadline or the next column would run through the words.
    let begins = whole + 7.0;
    let crosses =
        mark.is_some_and(|mark| (begins - 3.0..begins + 34.0).contains(&mark)) && Some(after) != deadline;
    let (class, style, at) = match crosses || begins + 34.0 > KEEPERS {
        true => ("value within", String::new(), whole - 6.0),
        false => ("value", format!(" style=\"--under: var({under})\""), begins),
    };
    let (base, words) = (y + BAR - 1.5, in_words(after));
    let _ = writeln!(svg, "<text class=\"{class}\"{style} x=\"{at:.1}\" y=\"{base:.1}\">{words}</text>");
}

fn foot(svg: &mut String, y: f64, drawing: &Drawing<'_>, notes: &[(&'static str, String)]) {
    let mut at = 28.0;
    let mut keepers: Vec<&str> =
        drawing.bars.iter().map(|bar| bar.keeper).filter(|keeper| *keeper != "the client").collect();
    keepers.sort_unstable();
    keepers.dedup();
    for keeper in keepers {
        rect(svg, class(keeper), at, y - 10.0, 22.0, BAR);
        text(svg, "soft", at + 30.0, y, &format!("kept by {keeper}"));
        at += 180.0;
    }
    for ((class, words), nth) in notes.iter().zip(1_u32..) {
        text(svg, class, 28.0, y + 6.0 + 20.0 * f64::from(nth), words);
    }
}

/// The notes in lines that fit into the drawing, each with its class.
fn lines(notes: &[String]) -> Vec<(&'static str, String)> {
    const LONGEST: usize = 140;
    let mut all: Vec<(&'static str, String)> = Vec::new();
    for note in notes {
        let (class, words) = note.strip_prefix('!').map_or(("soft", note.as_str()), |words| ("said", words));
        let mut line = String::new();
        for word in words.split(' ') {
            if !line.is_empty() && line.len() + word.len() >= LONGEST {
                all.push((class, std::mem::take(&mut line)));
            }
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
        all.push((class, line));
    }
    all
}

fn rect(svg: &mut String, class: &str, x: f64, y: f64, width: f64, height: f64) {
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"2\"/>"
    );
}

fn line(svg: &mut String, class: &str, x: f64, from: f64, to: f64) {
    let _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{to:.1}\"/>"
    );
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, seconds: Option<f64>, is_wrong: bool) -> Bar {
        let after = seconds.map(Duration::from_secs_f64);
        Bar { layer: "any", name: name.to_owned(), after, keeper: "PostgreSQL", is_wrong, ..Bar::default() }
    }

    /// Every bar is as long as its time on an axis that has room for all, and the drawing says its value.
    #[test]
    fn a_bar_is_as_long_as_its_limit() {
        let bars = [bar("a", Some(0.05), false), bar("b<c", Some(7_200.0), true), bar("off", None, false)];
        let axis = Axis::of(&bars);
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|seconds| axis.x(seconds));
        assert!(((ten - one) - (hundred - ten)).abs() < 0.001 && one > LEFT && hundred < RIGHT);
        assert!(axis.x(0.05) > LEFT && axis.x(7_200.0) < RIGHT);
        let svg = svg(&Drawing { bars: &bars, notes: &["!b is wrong".to_owned()], ..Drawing::default() });
        for words in
            [">50 ms</text>", ">120 min</text>", ">b&lt;c</text>", "class=\"wrong\"", ">b is wrong</text>"]
        {
            assert!(svg.contains(words), "{words} in {svg}");
        }
    }
}
