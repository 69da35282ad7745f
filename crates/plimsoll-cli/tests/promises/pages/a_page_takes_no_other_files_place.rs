//! A page is on the disk whole or not at all, and takes the place of an earlier page only.

use plimsoll_cli::page::{Page, PageFile};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn write(path: &Path, title: &str) -> Result<(), String> {
    PageFile::at(path).and_then(|file| file.write(&Page::new(title))).map_err(|error| format!("{error:#}"))
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_earlier_page_is_replaced_and_keeps_who_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    write(&path, "first").unwrap();
    assert_eq!(mode(&path), 0o600, "it tells of the insides of a server");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let link = folder.path().join("latest.html");
    symlink(&path, &link).unwrap();
    write(&link, "second").unwrap();
    assert!(link.is_symlink());
    assert_eq!(mode(&path), 0o644);
    assert!(fs::read_to_string(&path).unwrap().contains("<h1>second</h1>"));
    assert_eq!(names(folder.path()), ["latest.html", "page.html"]);
}

#[test]
fn what_is_no_page_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let notes = folder.path().join("notes.html");
    fs::write(&notes, "<p>mine</p>").unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for path in [&notes, &empty] {
        let said = write(path, "a").unwrap_err();
        assert!(said.contains("is no page of plimsoll, so it is left alone"), "{said}");
    }
    assert_eq!(fs::read_to_string(&notes).unwrap(), "<p>mine</p>");
    let said = write(folder.path(), "a").unwrap_err();
    assert!(said.contains("is no file"), "{said}");
    let said = write(&folder.path().join("nowhere/page.html"), "a").unwrap_err();
    assert!(said.starts_with("no file can be made in ") && said.contains("No such file"), "{said}");
    assert_eq!(names(folder.path()), ["empty", "notes.html"]);
}
