//! Whether an output is the one that was expected.
//!
//! A page shows what a command prints, line for line; `…` stands for anything within a line (times, addresses, numbers
//! that nobody promised), and a line that is nothing but `…` for any number of lines. Blanks at the ends of lines, and
//! empty lines at both ends of the whole, mean nothing.

/// Whether these lines are what was expected.
#[must_use]
pub fn is_as_expected(expected: &[String], output: &str) -> bool {
    let expected: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
    let output: Vec<&str> = output.lines().map(str::trim_end).collect();
    lines_match(without_empty_ends(&expected), without_empty_ends(&output))
}

fn without_empty_ends<'a, 'b>(lines: &'a [&'b str]) -> &'a [&'b str] {
    let first = lines.iter().position(|line| !line.is_empty()).unwrap_or(lines.len());
    let last = lines.iter().rposition(|line| !line.is_empty()).map_or(first, |last| last + 1);
    lines.get(first..last).unwrap_or_default()
}

fn lines_match(expected: &[&str], output: &[&str]) -> bool {
    match (expected.split_first(), output.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first.trim() == "…" => {
            (0..=output.len()).any(|skipped| lines_match(rest, output.get(skipped..).unwrap_or_default()))
        }
        (Some((first, rest)), Some((line, lines))) => line_matches(first, line) && lines_match(rest, lines),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    for part in parts {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    true
}
