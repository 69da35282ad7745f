//! `make tick`: runs every command of `docs/checklists/` and holds what it prints against what the pages say it prints.
//!
//! A checklist that somebody ticked is worth what its last reader's trust is worth. Here a box is ticked by the page and
//! proved by a command that stands beside it, so that whoever doubts a row can paste it, and a row that is no longer true
//! fails a run. A row that does not claim anything may have a command too: the run says when it has come true.
//!
//! | file | what it answers |
//! |---|---|
//! | [`page`] | what a page says: its rows, their claims, their commands |
//! | [`expected`] | whether an output is the one that was expected |
//! | [`nextest`] | which tests a page names, and how they went, all in one run of nextest |
//! | [`service`] | the service that the commands talk to |
//! | [`examples`] | the example services that some of them talk to |
//! | [`process`] | how either is started and stopped |
//! | [`shell`] | what one command prints |
//! | [`verdict`] | what became of each row, and of each page |
//! | [`readme`] | whether the README tells the counts of the pages |

pub mod examples;
pub mod expected;
pub mod nextest;
pub mod page;
pub mod process;
pub mod readme;
pub mod service;
pub mod shell;
pub mod verdict;
