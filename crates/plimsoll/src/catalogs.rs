//! The translations of the server that is installed, for tests of what is known by its messages.

use std::collections::HashMap;
use std::path::PathBuf;

/// Messages in English, and how one language says them.
pub(crate) type Catalog = HashMap<String, String>;

/// All catalogs of the server that are installed, by their file.
pub(crate) fn of_server() -> Vec<(PathBuf, Catalog)> {
    let languages = std::fs::read_dir("/usr/share/locale").into_iter().flatten().flatten();
    let of = |path: PathBuf| {
        let files = std::fs::read_dir(path.join("LC_MESSAGES")).into_iter().flatten().flatten();
        files.map(|file| file.path()).filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("postgres-") && name.ends_with(".mo")
        })
    };
    let files = languages.flat_map(|language| of(language.path()));
    files
        .map(|file| {
            let bytes = std::fs::read(&file).expect("a catalog");
            (file, read(&bytes).expect("a catalog in GNU's format"))
        })
        .collect()
}

/// A catalog in GNU's binary format: a header, and two tables of lengths and offsets.
fn read(bytes: &[u8]) -> Option<Catalog> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    if word(0)? != 0x9504_12de {
        return None;
    }
    let (count, english, translated) = (word(8)?, word(12)?, word(16)?);
    let text = |table: usize, n: usize| {
        let (length, at) = (word(table + 8 * n)?, word(table + 8 * n + 4)?);
        Some(String::from_utf8_lossy(bytes.get(at..at + length)?).into_owned())
    };
    (0..count).map(|n| Some((text(english, n)?, text(translated, n)?))).collect()
}
