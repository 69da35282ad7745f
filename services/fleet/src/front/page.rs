//! The page's files.

use crate::http::page_file::PageFile;

/// The page itself.
pub(super) static FRONT: PageFile = PageFile::html("index.html", include_str!("page/index.html"));

/// What belongs to it.
pub(super) static FILES: [PageFile; 2] = [
    PageFile::css("front.css", include_str!("page/front.css")),
    PageFile::js("main.js", include_str!("page/main.js")),
];

/// The buttons.
#[cfg(feature = "dev")]
pub(super) static PLAY: PageFile = PageFile::js("play.js", include_str!("page/play.js"));
