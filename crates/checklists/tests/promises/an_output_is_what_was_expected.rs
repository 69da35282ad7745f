//! What a command printed is held against what the page shows, line for line; `…` stands for what nobody promised.

use checklists::expected::is_as_expected;

fn matches(expected: &str, output: &str) -> bool {
    is_as_expected(&expected.lines().map(str::to_owned).collect::<Vec<_>>(), output)
}

#[test]
fn line_for_line() {
    assert!(matches("30s", "30s\n"));
    assert!(matches("a\nb", "\na  \r\nb\n\n"), "blanks at the ends mean nothing");
    assert!(matches("  a", "  a"));
    for output in ["30 s", "30s\n31s", "", "x\n30s", "130s", "  30s"] {
        assert!(!matches("30s", output), "{output:?}");
    }
    assert!(!matches("a\n\nb", "a\nb"), "an empty line in the middle is a line");
}

#[test]
fn an_ellipsis_stands_for_anything_within_its_line() {
    assert!(matches("HTTP/1.1 202 …", "HTTP/1.1 202 Accepted"));
    assert!(matches("… passed", "3 passed"));
    assert!(matches("a…b…c", "a1b2b3c"));
    assert!(matches("a…", "a"), "and for nothing");
    for (expected, output) in [
        ("… passed", "2 passed, 1 failed: x"),
        ("a…b…c", "acb"),
        ("a…a", "a"),
        ("a…", "a\nb"),
        ("…ab…ab", "xab"),
    ] {
        assert!(!matches(expected, output), "{expected} {output}");
    }
}

#[test]
fn a_line_that_is_nothing_else_stands_for_any_number_of_lines() {
    assert!(matches("a\n…\nd", "a\nb\nc\nd"));
    assert!(matches("…\nd", "d"));
    assert!(matches("…", ""));
    assert!(matches("…\nb\n…\nb", "a\nb\nb"));
    assert!(!matches("…\nd", "d\ne"));
    assert!(!matches("…\nb\n…\nb", "a\nb"));
}
