//! `docs/settings.md` says what the program does, because it is made of the same table.
//!
//! `make docs` writes it anew, which is this test with `PLIMSOLL_BLESS=1`.

use std::path::Path;

use plimsoll::settings::{Settings, reference, table};

#[test]
fn the_reference_in_the_repository_is_the_one_the_table_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, reference()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == reference(), "docs/settings.md is out of date: run this test with PLIMSOLL_BLESS=1");
}

#[test]
fn every_setting_has_a_name_of_its_own_and_an_explanation() {
    let mut keys: Vec<String> = table().iter().map(|definition| definition.variable()).collect();
    keys.extend(table().iter().flat_map(|definition| definition.also).map(|key| (*key).to_owned()));
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    for definition in table() {
        assert!(definition.doc.trim().ends_with('.'), "{}", definition.name);
        assert!(definition.default().is_some(), "{} says what holds when nobody says it", definition.name);
    }
}

#[test]
fn every_default_that_is_a_value_is_a_value_that_may_be_said() {
    for definition in table() {
        let Some(default) =
            definition.default().filter(|text| !text.contains([' ', '`', ';']) && text != "none")
        else {
            continue;
        };
        let said = Settings::from_vars([(definition.variable(), default.clone())]).unwrap();
        assert_eq!(definition.said(&said), Some(default), "{}", definition.name);
    }
}
