//! `docs/errors.md` says what the program does, because it is made of the table that decides.
//!
//! `make docs` writes it anew, which is this test with `PLIMSOLL_BLESS=1`.

use plimsoll::Fault;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_reference_in_the_repository_is_the_one_the_table_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors.md");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, Fault::reference()).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == Fault::reference(), "docs/errors.md is out of date: run `make docs`");
}

#[test]
fn every_fault_has_a_code_of_its_own_and_is_explained() {
    let codes: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes.len(), Fault::ALL.len(), "two faults share a code");
    for fault in Fault::ALL {
        let advice = fault.advice();
        let parts: Vec<&str> = advice.code.split('-').collect();
        assert!(
            matches!(parts.as_slice(), ["PL", group, number]
                if group.len() == 3 && group.bytes().all(|b| b.is_ascii_uppercase()) && number.parse::<u8>().is_ok()),
            "{} is not of the form PL-ABC-01",
            advice.code
        );
        assert!(fault.meaning().ends_with('.'), "{fault:?} means: {}", fault.meaning());
        assert!(!advice.cause.is_empty() && !advice.remedy.is_empty(), "{fault:?}");
    }
}

#[test]
fn every_code_has_a_heading_that_a_link_can_name() {
    let text = Fault::reference();
    for fault in Fault::ALL {
        let heading = format!("\n### {}\n", fault.code());
        assert_eq!(text.matches(&heading).count(), 1, "{heading}");
    }
}
