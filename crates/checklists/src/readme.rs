//! The README's first screen tells how far each page is. What it tells is what the pages say, or a run fails.

use crate::page::Page;

/// How many lines are read before anybody scrolls.
const FIRST_SCREEN: usize = 40;

/// How a page stands in the README.
#[must_use]
pub fn entry(page: &Page) -> String {
    let Page { file, rows, .. } = page;
    format!("[{}](docs/checklists/{file}) {}/{}", page.short_title(), page.claimed(), rows.len())
}

/// What is wrong with the README, each as a sentence that holds what should stand there.
#[must_use]
pub fn problems(readme: &str, pages: &[Page]) -> Vec<String> {
    let first_screen: Vec<&str> = readme.lines().take(FIRST_SCREEN).collect();
    let first_screen = first_screen.join("\n");
    let missing = pages.iter().map(entry).filter(|entry| !stands_in(&first_screen, entry));
    missing.map(|entry| format!("README.md: its first {FIRST_SCREEN} lines do not say {entry}")).collect()
}

/// Whether it stands there whole: 3/58 is not said by 3/581.
fn stands_in(text: &str, entry: &str) -> bool {
    let mut behind = text.match_indices(entry).filter_map(|(at, found)| text.get(at + found.len()..));
    behind.any(|behind| !behind.starts_with(|c: char| c.is_ascii_digit()))
}
