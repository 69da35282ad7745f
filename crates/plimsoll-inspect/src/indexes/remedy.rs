//! What puts an index right that does nothing, or nothing that another one does not do.
//!
//! All of it may be carried out together: of indexes that do the same work one stays, and what is dropped can be made again. An index
//! that is not valid is told the same way by `plimsoll doctor` (I01) and by `plimsoll indexes`.

use super::Index;
use crate::checks::finding::{Effect, Remedy};
use crate::checks::subject::quoted;

/// Drops an index that is good for something, and makes it again.
#[must_use]
pub fn drop(index: &Index) -> Remedy {
    let name = &index.name;
    if index.is_partitioned {
        return Remedy::advice(format!(
            "DROP INDEX {name} in a quiet moment: it is the index of a partitioned table, which cannot be dropped CONCURRENTLY, so \
             it locks the table and its partitions"
        ));
    }
    let undo = again(index);
    if undo.is_empty() {
        return Remedy::advice(format!(
            "when no session keeps its table locked, look again: then this names the statement that drops {name}, and the one that \
             makes it again"
        ));
    }
    Remedy::Sql { run: vec![format!("DROP INDEX CONCURRENTLY {name}")], undo, effect: Effect::Now }
}

/// The statements that make it again beside writers; none where its definition could not be read.
#[must_use]
pub fn again(index: &Index) -> Vec<String> {
    let Some(definition) = &index.definition else { return Vec::new() };
    let concurrently = |begin: &str| {
        let rest = definition.strip_prefix(begin)?;
        Some(format!("{begin}CONCURRENTLY {rest}"))
    };
    let made = match index.is_partitioned {
        true => None,
        false => concurrently("CREATE INDEX ").or_else(|| concurrently("CREATE UNIQUE INDEX ")),
    };
    let mut undo = vec![made.unwrap_or_else(|| definition.clone())];
    if let Some(tablespace) = &index.tablespace {
        undo.push(format!("ALTER INDEX {} SET TABLESPACE {}", index.name, quoted(tablespace)));
    }
    undo
}

/// What an index is that is not valid.
#[derive(Clone, Copy, Debug)]
pub struct Invalid<'a> {
    /// Its name with its schema, quoted where that is needed.
    pub name: &'a str,
    /// A rebuild left it behind: the index that was to be rebuilt is still there.
    pub is_left_over: bool,
    /// The valid index that does all that this one would do.
    pub covered_by: Option<&'a str>,
    /// No two rows may have the same key.
    pub is_unique: bool,
    /// The question for the rows that keep it from being unique; `None` where its table is locked.
    pub equal_rows: Option<&'a str>,
}

impl Invalid<'_> {
    /// What puts it right. Nothing uses it, so that a drop loses nothing that a statement could bring back.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        let name = self.name;
        if self.is_left_over || self.covered_by.is_some() {
            return Remedy::for_good(format!("DROP INDEX CONCURRENTLY {name}"));
        }
        if !self.is_unique {
            return Remedy::for_good(format!("REINDEX INDEX CONCURRENTLY {name}"));
        }
        let find = match self.equal_rows {
            Some(question) => format!("this finds them: {question}"),
            None => "its table is locked now; look again for the query that finds them".to_owned(),
        };
        Remedy::advice(format!(
            "it is unique, and rows with equal keys make a rebuild fail; {find}. When there are none left: REINDEX INDEX CONCURRENTLY \
             {name}. To do without it: DROP INDEX CONCURRENTLY {name}"
        ))
    }

    /// Why it is to be dropped or rebuilt, for the sentence that tells what it is.
    #[must_use]
    pub fn reason(&self) -> String {
        match self.covered_by {
            _ if self.is_left_over => "; a rebuild left it behind".to_owned(),
            Some(other) => format!("; {other} does all that it would do"),
            None if self.is_unique => "; it is unique, so rows with equal keys stop a rebuild".to_owned(),
            None => String::new(),
        }
    }
}
