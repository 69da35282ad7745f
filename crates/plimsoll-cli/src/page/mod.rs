//! A page of HTML in one file, as commands hand their results to people: it looks as the live dashboard does, in light and dark, on a
//! phone and on paper, and asks for nothing from anywhere. Whatever is put into it is escaped by the templates ([`maud`]).
//!
//! ```
//! use plimsoll_cli::page::{Chart, Column, Level, Page, Section, Series, Table, Unit};
//! use std::time::Duration;
//!
//! let mut answers = Table::new([Column::text("service"), Column::number("answers")]);
//! answers.row([("orders".into()), (1_204.into())]);
//! let seconds = [(0.0, Some(2.1)), (1.0, Some(3.4)), (2.0, None), (3.0, Some(910.0))];
//! let chart = Chart::new("Time of an answer", Unit::Millis)
//!     .logarithmic()
//!     .series(Series::line("99 of 100 are faster", seconds))
//!     .band(Duration::from_secs(2), Duration::from_secs(3), "the database is frozen")
//!     .mark(Duration::from_secs(3), "the breaker opens");
//! let page = Page::new("A frozen database")
//!     .subtitle("postgres at 127.0.0.1, PostgreSQL 15.18")
//!     .verdict(Level::Well, "held", "Every answer came within its deadline")
//!     .section(Section::new("answers", "Answers").table(answers).chart(chart));
//! assert!(page.html().contains("1,204"));
//! ```
//!
//! [`PageFile`] puts it on the disk: [`PageFile::at`] before the long work, so that a wrong name is told at once.
//!
//! | file | what is in it |
//! |---|---|
//! | `section` | a part of a page: text, badges, tables, charts |
//! | `table` | a table, which sorts where scripts run and becomes a list on a phone |
//! | `badge` | a state: a colour and its word |
//! | `chart` | values over time, as SVG |
//! | `file` | the page on the disk |
//! | `page.css`, `sort.js` | its style and its only script; the colours are those of the dashboard |

mod badge;
mod chart;
mod file;
mod section;
mod table;

pub use badge::{Level, badge};
pub use chart::{Chart, Series, Unit};
pub use file::PageFile;
pub use maud::{Markup, html};
pub use section::Section;
pub use table::{Cell, Column, Table};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, PreEscaped};
use sha2::{Digest, Sha256};

/// The colours, which are those of the dashboard.
const THEME: &str = include_str!("../../../plimsoll-http/src/dashboard/page/theme.css");
const STYLE: &str = include_str!("page.css");
const SORT: &str = include_str!("sort.js");
/// The mark of the dashboard. Without one a browser asks for it.
const ICON: &[u8] = include_bytes!("../../../plimsoll-http/src/dashboard/page/icon.svg");

/// What tells a page of this command from any other file.
const GENERATOR: &str = concat!("plimsoll ", env!("CARGO_PKG_VERSION"));

/// A page that is being put together.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    subtitle: Vec<String>,
    head: Vec<Markup>,
    sections: Vec<Section>,
}

impl Page {
    /// A page of this title.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Page { title: title.into(), subtitle: Vec::new(), head: Vec::new(), sections: Vec::new() }
    }

    /// Another line below the title: which server, when, by which version.
    #[must_use]
    pub fn subtitle(mut self, line: impl Into<String>) -> Self {
        self.subtitle.push(line.into());
        self
    }

    /// A judgement at the top: its word, and a sentence.
    #[must_use]
    pub fn verdict(mut self, level: Level, word: &str, sentence: &str) -> Self {
        self.head.push(
            html! { p.verdict data-level=(level.as_str()) { (badge(level, word)) " " span { (sentence) } } },
        );
        self
    }

    /// Figures side by side, below the title: what each counts, the number, and how that is.
    #[must_use]
    pub fn figures<'a>(mut self, figures: impl IntoIterator<Item = (&'a str, String, Level)>) -> Self {
        self.head.push(html! {
            dl.figures {
                @for (name, value, level) in figures {
                    div data-level=(level.as_str()) { dt { (name) } dd { (value) } }
                }
            }
        });
        self
    }

    /// Something of one's own, at the top.
    #[must_use]
    pub fn at_the_top(mut self, markup: Markup) -> Self {
        self.head.push(markup);
        self
    }

    /// Another section.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The page as one file.
    #[must_use]
    pub fn html(&self) -> String {
        let style = format!("{THEME}{STYLE}");
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy(&style));
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="generator" content=(GENERATOR);
                    title { (self.title) " · Plimsoll" }
                    link rel="icon" href=(data("image/svg+xml", ICON));
                    style { (PreEscaped(&style)) }
                }
                body {
                    a.skip href="#content" { "Skip to the content" }
                    (self.masthead())
                    main #content {
                        @for part in &self.head { (part) }
                        @for section in &self.sections { (section.markup()) }
                    }
                    footer { "Made by " (GENERATOR) ". This file is whole: it loads nothing from anywhere." }
                    script { (PreEscaped(SORT)) }
                }
            }
        };
        page.into_string().chars().map(shown).collect()
    }

    fn masthead(&self) -> Markup {
        html! {
            header.masthead {
                h1 { (self.title) }
                @for line in &self.subtitle { p.quiet { (line) } }
                @if self.sections.len() > 1 {
                    nav aria-label="Sections" {
                        @for section in &self.sections { a href={ "#" (section.id()) } { (section.heading()) } }
                    }
                }
            }
        }
    }
}

/// What is not shown, or turns the direction of what is, comes out as a mark: HTML does not allow the first, and the second makes a name
/// look like another one.
fn shown(letter: char) -> char {
    let is_hidden = letter.is_control() && !matches!(letter, '\n' | '\t');
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if is_hidden || turns { char::REPLACEMENT_CHARACTER } else { letter }
}

/// What the browser allows the page: its own style, its own script, pictures that are in it; nothing else.
fn policy(style: &str) -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(SORT)
    )
}

/// What a policy names a text by.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

fn data(kind: &str, content: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(content))
}
