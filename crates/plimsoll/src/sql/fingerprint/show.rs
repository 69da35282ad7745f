//! Writes what was read, twice: into the fingerprint, with each piece told apart from every other, and into the text that
//! is shown.

use super::{Normalised, SHOWN};
use sha2::{Digest, Sha256};

/// A piece of a text.
pub(super) enum Piece<'a> {
    Constant,
    /// More of what stands before.
    More,
    /// A keyword or a name; `is_apart` from a parenthesis that follows.
    Word {
        word: &'a [u8],
        is_apart: bool,
    },
    Quoted(&'a [u8]),
    Open(&'static [u8]),
    /// Written without a space before it.
    Close(&'static [u8]),
    /// Written without spaces.
    Joint(&'static [u8]),
    Operator(&'a [u8]),
}

/// What a piece asks for behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    None,
    /// A space, but before a parenthesis none.
    Name,
    Space,
}

pub(super) struct Output {
    hash: Sha256,
    text: String,
    gap: Gap,
    is_cut: bool,
    /// The last word, if the last piece was one.
    last_word: Option<[u8; 4]>,
}

impl Output {
    pub(super) fn new() -> Self {
        Output { hash: Sha256::new(), text: String::new(), gap: Gap::None, is_cut: false, last_word: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether the last piece was one of these words, of at most four letters.
    pub(super) fn follows(&self, words: &[&str]) -> bool {
        self.last_word.is_some_and(|last| words.iter().any(|word| start(word.as_bytes()) == Some(last)))
    }

    pub(super) fn put(&mut self, piece: Piece<'_>) {
        self.last_word = None;
        match piece {
            Piece::Constant => self.add(1, b"?", Gap::Space),
            Piece::More => self.add(2, b", ...", Gap::Space),
            Piece::Word { word, is_apart } => {
                let word = word.to_ascii_lowercase();
                self.add(3, &word, if is_apart { Gap::Space } else { Gap::Name });
                self.last_word = start(&word);
            }
            Piece::Quoted(name) => {
                let name = String::from_utf8_lossy(name).replace('"', "\"\"");
                self.add(4, format!("\"{name}\"").as_bytes(), Gap::Name);
            }
            Piece::Open(sign) => self.add(5, sign, Gap::None),
            Piece::Close(sign) => self.add(6, sign, Gap::Space),
            Piece::Joint(sign) => self.add(7, sign, Gap::None),
            Piece::Operator(sign) => self.add(8, sign, Gap::Space),
        }
    }

    fn add(&mut self, kind: u8, piece: &[u8], gap: Gap) {
        self.hash.update([kind]);
        self.hash.update(piece);
        self.hash.update([0]);
        if self.is_cut {
            return;
        }
        let is_tight = match kind {
            2 | 6 | 7 => true,
            5 => self.gap == Gap::Name || self.gap == Gap::None,
            _ => self.gap == Gap::None,
        };
        let shown = String::from_utf8_lossy(piece);
        if self.text.len() + shown.len() + 1 > SHOWN {
            self.is_cut = true;
            self.text.push_str(" ...");
            return;
        }
        if !is_tight {
            self.text.push(' ');
        }
        self.text.push_str(&shown);
        self.gap = gap;
    }

    pub(super) fn end(self) -> Normalised {
        let digest = self.hash.finalize();
        let fingerprint = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        Normalised { fingerprint, text: self.text }
    }
}

/// A word of at most four letters, comparable.
fn start(word: &[u8]) -> Option<[u8; 4]> {
    let mut letters = [0; 4];
    letters.get_mut(..word.len())?.copy_from_slice(word);
    Some(letters)
}
