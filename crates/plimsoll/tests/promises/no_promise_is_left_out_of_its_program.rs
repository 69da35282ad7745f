//! A file below `tests/promises` is compiled only where a `mod` line names it, and one that is not compiled is no test
//! and says nothing. So each file of each crate is named by the `main.rs` or the `mod.rs` of its folder.

use std::fs;
use std::path::{Path, PathBuf};

/// The files and folders in a folder.
fn inside(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn name(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

/// The files and folders that are in this folder or below it and that their folder's list does not name.
fn left_out(folder: &Path) -> Vec<PathBuf> {
    let lists = ["main.rs", "mod.rs"].map(|list| folder.join(list));
    let list: String = lists.iter().filter_map(|list| fs::read_to_string(list).ok()).collect();
    let mut missing = Vec::new();
    for path in inside(folder).into_iter().filter(|path| !lists.contains(path)) {
        if !list.lines().any(|line| line.trim_start_matches("pub(crate) ") == format!("mod {};", name(&path)))
        {
            missing.push(path.clone());
        }
        if path.is_dir() {
            missing.extend(left_out(&path));
        }
    }
    missing
}

#[test]
fn each_file_has_its_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let members = ["crates", "services"].iter().flat_map(|of| inside(&root.join(of)));
    let programs: Vec<PathBuf> =
        members.map(|member| member.join("tests/promises")).filter(|folder| folder.is_dir()).collect();
    assert!(programs.len() >= 6, "only {programs:?} are looked at");
    let missing: Vec<PathBuf> = programs.iter().flat_map(|program| left_out(program)).collect();
    assert!(missing.is_empty(), "no `mod` line names these, so none of their tests runs: {missing:#?}");
}

#[test]
fn one_that_has_none_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let pool = folder.path().join("pool");
    fs::create_dir(&pool).unwrap();
    fs::write(folder.path().join("main.rs"), "mod named;\nmod pool;\n").unwrap();
    fs::write(pool.join("mod.rs"), "// mod commented_out;\nmod one;\n").unwrap();
    for file in ["named.rs", "unnamed.rs", "pool/one.rs", "pool/commented_out.rs"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let mut missing = left_out(folder.path());
    missing.sort();
    assert_eq!(missing, ["pool/commented_out.rs", "unnamed.rs"].map(|file| folder.path().join(file)));
}
