//! A page is one file of HTML that a browser reads without an error; it asks for nothing, and whatever is put into it is text.

use super::html::is_whole;
use plimsoll_cli::page::{Cell, Chart, Column, Level, Page, Section, Series, Table, Unit, badge, html};
use std::time::Duration;

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</style></title></script><b>",
    "&lt;b&gt; &amp; <!-- ]]>",
];

/// A page with this in every place that a caller may fill.
fn filled(text: &str) -> Page {
    let mut table = Table::new([Column::text(text), Column::number(text), Column::wide(text)]);
    table.row([text.into(), Cell::measured(text, 1.0), Cell::code(text)]);
    table.row_that_is(Level::Trouble, [Cell::badge(Level::Warn, text), 7.into(), Cell::unknown()]);
    let chart = Chart::new(text, Unit::Millis)
        .series(Series::line(text, [(0.0, Some(1.0)), (9.0, Some(20.0))]))
        .band(Duration::from_secs(1), Duration::from_secs(2), text)
        .mark(Duration::from_secs(3), text);
    let section = Section::new("one", text)
        .note(text)
        .text(text)
        .subheading(text)
        .verdict(Level::Well, text, text)
        .missing(text)
        .table(table)
        .table(Table::new([]).when_empty(text))
        .chart(chart)
        .sql(text)
        .picture("<svg xmlns=\"http://www.w3.org/2000/svg\"/>", text)
        .part(html! { p { (badge(Level::Info, text)) } });
    Page::new(text)
        .subtitle(text)
        .verdict(Level::Unknown, text, text)
        .figures([(text, text.to_owned(), Level::Trouble)])
        .section(section)
        .section(Section::new("two", text))
}

#[test]
fn whatever_is_put_into_a_page_is_text() {
    let plain = is_whole(&filled("plain").html());
    for text in HOSTILE {
        let read = is_whole(&filled(text).html());
        let names =
            |read: &super::html::Read| read.elements.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&plain), "{text:?} has made elements");
        assert!(read.says(text), "{text:?} is not to be read");
    }
}

/// A name that holds what no page may, or what turns the letters after it round, is shown with marks in their places.
#[test]
fn what_cannot_be_seen_is_marked() {
    let read = is_whole(&filled("bell\u{7} and \u{202e}txt.exe").html());
    assert!(read.says("bell\u{fffd} and \u{fffd}txt.exe"));
    assert!(!read.text.contains(['\u{7}', '\u{202e}']));
}

/// Colours alone tell nothing to those who see none.
#[test]
fn every_state_has_its_word() {
    for level in [Level::Well, Level::Info, Level::Unknown, Level::Warn, Level::Trouble] {
        let page = Page::new("a").section(Section::new("s", "S").verdict(level, "the word", "a sentence"));
        assert!(is_whole(&page.html()).says("the word a sentence"));
    }
}
