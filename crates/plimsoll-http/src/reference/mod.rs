//! What the documentation shows of this crate's own values: the layers of time limits as a drawing and as a table, the table
//! from faults to answers, the order of the layers, and the fields of the access log. All are made here from the values
//! themselves and compared with the pages, so that they cannot differ. `make docs` writes them anew, which is these tests with `PLIMSOLL_BLESS=1`.

mod codes;
mod drawing;
mod layers;
mod nginx;
mod source;
mod unit;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The page is what is made here, or becomes it.
fn keeps(page: &str, made: &str) {
    let path = root().join(page);
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{page} is out of date: run `make docs`");
}

/// The part of the page between two marks is what is made here, or becomes it.
fn keeps_part(page: &str, name: &str, made: &str) {
    let kept = fs::read_to_string(root().join(page)).unwrap();
    let [begin, end] =
        [format!("<!-- {name}: written by `make docs` -->\n"), format!("<!-- end of {name} -->")];
    let (before, rest) = kept.split_once(&begin).unwrap_or_else(|| panic!("{page} has no part {name}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the part {name} of {page} has no end"));
    keeps(page, &format!("{before}{begin}{made}{end}{after}"));
}

fn plan() -> plimsoll::settings::Plan {
    plimsoll::Settings::from_url("postgres://app@127.0.0.1/app").unwrap().check().unwrap()
}

#[test]
fn the_drawing_of_the_limits_is_made_of_the_limits() {
    keeps("docs/guides/timeouts.svg", &drawing::of(&layers::all()));
}

#[test]
fn the_table_of_the_limits_is_made_of_the_limits() {
    keeps_part("docs/guides/timeouts.md", "limits", &layers::table());
}

#[test]
fn the_tables_of_the_interface_are_those_of_the_code() {
    keeps_part("docs/api.md", "statuses", &codes::statuses());
    keeps_part("docs/api.md", "codes", &codes::codes());
    keeps_part("docs/api.md", "fields", &source::fields());
}

#[test]
fn the_order_of_the_layers_is_the_one_of_the_code() {
    keeps_part("docs/guides/http.md", "order", &source::order());
}
