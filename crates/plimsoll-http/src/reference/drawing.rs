//! The limits as a drawing: a bar for each, as long as the limit, on an axis of time on which 1 s and 10 s are as far apart
//! as 10 s and 100 s. The line through all of it is the deadline of a request: what lies inside a request and is longer is drawn
//! pale beyond that line, since it holds only for work that no request waits for.
//!
//! Plain SVG with its own style for light and dark, and text that can be selected.

use super::layers::{Keeper, Limit, deadline, in_words};
use std::fmt::Write;
use std::time::Duration;

const WIDTH: f64 = 1120.0;
/// Where the names, the bars, the keepers and the answers begin.
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

/// The ends of the axis, in seconds.
const FROM: f64 = 0.5;
const TO: f64 = 130.0;
const TICKS: [u64; 8] = [1, 2, 5, 10, 20, 30, 60, 120];

const STYLE: &str = "\
    svg { --paper: #ffffff; --ink: #1f2328; --soft: #656d76; --line: #d8dee4; --band: #f6f8fa;
          --bar: #57789a; --proxy: #8a94a0; --server: #3f7f6d; --kernel: #a08a4f; --mark: #bc4c00; }
    @media (prefers-color-scheme: dark) {
      svg { --paper: #0d1117; --ink: #e6edf3; --soft: #8d96a0; --line: #2b323b; --band: #151b23;
            --bar: #7ba3cf; --proxy: #7d8590; --server: #5fae97; --kernel: #c2ab6b; --mark: #f0883e; }
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
    .beyond { opacity: 0.28; }
";

/// Where a time lies on the axis.
fn x(span: Duration) -> f64 {
    let at = (span.as_secs_f64().max(FROM) / FROM).ln() / (TO / FROM).ln();
    LEFT + (RIGHT - LEFT) * at.min(1.0)
}

fn class(keeper: Keeper) -> &'static str {
    match keeper {
        Keeper::Client => "client",
        Keeper::Proxy => "nginx",
        Keeper::Program => "program",
        Keeper::Server => "postgresql",
        Keeper::Kernel => "kernel",
    }
}

/// A layer, and what lies in it.
fn bands(limits: &[Limit]) -> Vec<&[Limit]> {
    limits.chunk_by(|one, next| one.layer == next.layer).collect()
}

pub(super) fn of(limits: &[Limit]) -> String {
    let bands = bands(limits);
    let height = bands.iter().fold(TOP, |y, band| y + band_height(band) + GAP) + 74.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title about\">\n\
         <!-- Made from the limits themselves, in crates/plimsoll-http/src/reference/; written by `make docs`. -->\n\
         <title id=\"title\">The layers of time limits</title>\n\
         <desc id=\"about\">{}</desc>\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n",
        about(limits),
    );
    let bottom = height - 74.0 - GAP;
    head(&mut svg);
    let mut y = TOP;
    for (nth, band) in bands.iter().enumerate() {
        if nth % 2 == 0 {
            rect(&mut svg, "band", 16.0, y, WIDTH - 32.0, band_height(band));
        }
        y += band_height(band) + GAP;
    }
    grid(&mut svg, bottom);
    let mut y = TOP;
    for (nth, band) in bands.iter().enumerate() {
        let under = if nth % 2 == 0 { "--band" } else { "--paper" };
        draw(&mut svg, band, y, under);
        y += band_height(band) + GAP;
    }
    foot(&mut svg, bottom + 34.0);
    svg.push_str("</svg>\n");
    svg
}

fn band_height(band: &[Limit]) -> f64 {
    band.iter().fold(8.0, |height, _| height + ROW)
}

/// The same for those who cannot see it.
fn about(limits: &[Limit]) -> String {
    let told = limits.iter().map(|limit| {
        let after = limit.after.map_or("no limit of its own".to_owned(), in_words);
        format!("{}, {}: {after}, kept by {}", limit.layer, limit.name, limit.keeper.as_str())
    });
    told.collect::<Vec<_>>().join("; ")
}

fn head(svg: &mut String) {
    text(svg, "title", 16.0, 34.0, "Who gives up, and after how long");
    text(
        svg,
        "soft",
        16.0,
        56.0,
        "From the client in. Inside a request the shorter counts: what is longer than the request holds only for work that no \
         request waits for (pale).",
    );
    for (at, words) in [(28.0, "layer"), (NAMES, "limit"), (KEEPERS, "kept by"), (TOLD, "the client gets")] {
        text(svg, "head", at, TOP - 12.0, words);
    }
}

fn grid(svg: &mut String, bottom: f64) {
    for tick in TICKS {
        let at = x(Duration::from_secs(tick));
        line(svg, "grid", at, TOP - 4.0, bottom);
        text(svg, "tick", at, TOP - 12.0, &format!("{tick} s"));
    }
    let at = x(deadline());
    line(svg, "mark", at, TOP - 26.0, bottom);
    let words = format!("a request's deadline: {}", in_words(deadline()));
    text(svg, "marked", at + 6.0, TOP - 28.0, &words);
}

fn draw(svg: &mut String, band: &[Limit], top: f64, under: &str) {
    for (nth, limit) in band.iter().enumerate() {
        let y = band.iter().take(nth).fold(top + 4.0, |y, _| y + ROW);
        let base = y + 17.0;
        if nth == 0 {
            text(svg, "layer", 28.0, base, limit.layer);
        }
        text(svg, if limit.after.is_some() { "name" } else { "soft" }, NAMES, base, limit.name);
        text(svg, "soft", KEEPERS, base, limit.keeper.as_str());
        text(svg, "told", TOLD, base, &limit.told);
        bar(svg, limit, y + (ROW - BAR) / 2.0, under);
    }
}

fn bar(svg: &mut String, limit: &Limit, y: f64, under: &str) {
    let kind = class(limit.keeper);
    let Some(after) = limit.after else {
        rect(svg, &format!("{kind} beyond"), LEFT, y, RIGHT - LEFT, BAR);
        return;
    };
    let whole = x(after);
    let solid = if limit.is_inside { whole.min(x(deadline())) } else { whole };
    rect(svg, kind, LEFT, y, solid - LEFT, BAR);
    if solid < whole {
        rect(svg, &format!("{kind} beyond"), solid, y, whole - solid, BAR);
    }
    // Beside the bar; within it where the line of the deadline would run through the words.
    let begins = whole + 7.0;
    let crosses = (begins - 3.0..begins + 34.0).contains(&x(deadline())) && after != deadline();
    let (class, style, at) = match crosses {
        true => ("value within", String::new(), whole - 6.0),
        false => ("value", format!(" style=\"--under: var({under})\""), begins),
    };
    let (base, words) = (y + BAR - 1.5, in_words(after));
    let _ = writeln!(svg, "<text class=\"{class}\"{style} x=\"{at:.1}\" y=\"{base:.1}\">{words}</text>");
}

fn foot(svg: &mut String, y: f64) {
    let mut at = 28.0;
    for keeper in [Keeper::Program, Keeper::Server, Keeper::Kernel, Keeper::Proxy] {
        rect(svg, class(keeper), at, y - 10.0, 22.0, BAR);
        text(svg, "soft", at + 30.0, y, &format!("kept by {}", keeper.as_str()));
        at += 180.0;
    }
    text(
        svg,
        "soft",
        28.0,
        y + 26.0,
        "Made from the defaults of the settings and options; the scale of time is logarithmic.",
    );
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

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

/// Every limit is on the axis, its bar is as long as its time, and the drawing says its value.
#[test]
fn a_bar_is_as_long_as_its_limit() {
    let limits = super::layers::all();
    let svg = of(&limits);
    for limit in &limits {
        assert!(svg.contains(&format!(">{}</text>", limit.name)), "{}", limit.name);
        if let Some(after) = limit.after {
            assert!((FROM..=TO).contains(&after.as_secs_f64()), "{} is beyond the axis", limit.name);
            assert!(svg.contains(&format!(">{}</text>", in_words(after))));
        }
    }
    let [one, ten, hundred] = [1, 10, 100].map(|seconds| x(Duration::from_secs(seconds)));
    assert!(((ten - one) - (hundred - ten)).abs() < 0.001 && one > LEFT && hundred < RIGHT);
}
