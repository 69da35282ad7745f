//! A part of a page, which has a name in the address: text, badges, tables, charts.

use super::{Chart, Level, Table, badge, data};
use maud::{Markup, PreEscaped, html};

/// A part of a page.
#[derive(Clone, Debug)]
pub struct Section {
    id: String,
    heading: String,
    note: Option<String>,
    parts: Vec<Markup>,
}

impl Section {
    /// A section with this name in the address (`#id`) and this heading.
    #[must_use]
    pub fn new(id: &str, heading: &str) -> Self {
        Section { id: id.to_owned(), heading: heading.to_owned(), note: None, parts: Vec::new() }
    }

    /// What stands beside the heading, small: where the numbers come from.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// A paragraph.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.part(html! { p.text { (text) } })
    }

    /// A judgement: its word, and a sentence.
    #[must_use]
    pub fn verdict(self, level: Level, word: &str, sentence: &str) -> Self {
        self.part(html! { p.text { (badge(level, word)) " " (sentence) } })
    }

    /// What is not in the section, and why not.
    #[must_use]
    pub fn missing(self, why: &str) -> Self {
        self.verdict(Level::Unknown, "not known", why)
    }

    /// A heading below that of the section.
    #[must_use]
    pub fn subheading(self, heading: &str) -> Self {
        self.part(html! { h3 { (heading) } })
    }

    /// A table; one without rows says so.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.part(table.markup())
    }

    /// A chart.
    #[must_use]
    pub fn chart(self, chart: Chart) -> Self {
        self.part(chart.markup())
    }

    /// Statements of SQL, to be copied.
    #[must_use]
    pub fn sql(self, statements: &str) -> Self {
        self.part(html! { pre.sql { code { (statements) } } })
    }

    /// A picture that is a whole file of SVG. It is shown as a picture, so that its style does not touch the page.
    #[must_use]
    pub fn picture(self, svg: &str, told: &str) -> Self {
        self.part(html! { div.picture { img src=(data("image/svg+xml", svg.as_bytes())) alt=(told); } })
    }

    /// Something of one's own.
    #[must_use]
    pub fn part(mut self, markup: Markup) -> Self {
        self.parts.push(markup);
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn heading(&self) -> &str {
        &self.heading
    }

    pub(super) fn markup(&self) -> Markup {
        let title = format!("{}-title", self.id);
        html! {
            section.panel id=(self.id) aria-labelledby=(title) {
                div.panel-head {
                    h2 id=(title) { (self.heading) }
                    @if let Some(note) = &self.note { p.quiet { (note) } }
                }
                @for part in &self.parts { (PreEscaped(&part.0)) }
            }
        }
    }
}
