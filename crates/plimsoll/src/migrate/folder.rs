//! Reads a folder of migration files.
//!
//! A file that is no text is reported with the cause: an editor or a shell on another system writes UTF-16, and an old
//! dump is in the encoding of its database. A folder whose files are one level deeper, as some tools have it, is
//! reported too, because it would look like a folder without migrations.

use super::naming;
use std::io;
use std::path::{Path, PathBuf};

/// Looks up a relative path in the working directory, then in the directory of the program.
pub(super) fn located(path: &Path) -> PathBuf {
    if path.is_relative() && !path.exists() {
        let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(path)));
        if let Some(beside) = beside.filter(|beside| beside.exists()) {
            return beside;
        }
    }
    path.to_owned()
}

/// Reads the `.sql` files of a folder, or the single file: name and text, and a sentence for each that cannot be read.
/// Files that undo others are not opened.
pub(super) fn read(
    path: &Path,
    files: &mut Vec<(String, String)>,
    unreadable: &mut Vec<String>,
) -> io::Result<()> {
    let paths = if path.is_dir() {
        let entries = std::fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        let entries: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        let paths: Vec<PathBuf> = entries.iter().filter(|path| is_sql(path)).cloned().collect();
        if paths.is_empty() {
            unreadable.extend(deeper(path, &entries));
        }
        paths
    } else {
        vec![path.to_owned()]
    };
    let named = |path: PathBuf| (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path);
    for (file, path) in paths.into_iter().map(named).filter(|(file, _)| !naming::is_down(file)) {
        match std::fs::read(&path) {
            Ok(bytes) => match text(bytes) {
                Ok(sql) => files.push((file, sql)),
                Err(why) => unreadable.push(format!("{} could not be read: {why}", path.display())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) => unreadable.push(format!("{} could not be read: {error}", path.display())),
        }
    }
    Ok(())
}

fn is_sql(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) && path.is_file()
}

/// The problem of a folder that has no migration files itself, but folders that do.
fn deeper(path: &Path, entries: &[PathBuf]) -> Option<String> {
    let holds_sql = |folder: &&PathBuf| {
        std::fs::read_dir(folder).is_ok_and(|files| files.flatten().any(|file| is_sql(&file.path())))
    };
    let mut folders: Vec<&PathBuf> = entries.iter().filter(holds_sql).collect();
    folders.sort();
    let first = folders.first()?.file_name()?.to_string_lossy();
    Some(format!(
        "{} holds no .sql file of its own, but {} folders that do, such as {first}: move the file of each up into it under the folder's name, as {first}.sql, and leave out those that undo",
        path.display(),
        folders.len()
    ))
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    if bytes.starts_with(b"PGDMP") {
        return Err(
            "it is a dump in pg_dump's custom format; write it with --format=plain --inserts".to_owned()
        );
    }
    if let [0xff, 0xfe, ..] | [0xfe, 0xff, ..] = *bytes {
        return Err("it is UTF-16; save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        format!(
            "it is not UTF-8 (byte 0x{:02x} in line {line}); save it as UTF-8, or dump it anew with pg_dump --encoding=UTF8",
            rest.first().copied().unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_told_with_its_cause() {
        assert_eq!(text(b"select 'a'".to_vec()).unwrap(), "select 'a'");
        assert!(text(vec![0xff, 0xfe, b's', 0]).unwrap_err().contains("UTF-16"));
        assert!(text(vec![0xfe, 0xff, 0, b's']).unwrap_err().contains("UTF-16"));
        assert!(text(b"select 1;\n-- caf\xe9\n".to_vec()).unwrap_err().contains("byte 0xe9 in line 2"));
    }
}
