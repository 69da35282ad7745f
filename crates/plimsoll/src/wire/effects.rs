//! What the text of a statement does beyond being run.

use super::context::{Change, OWN_BEGIN, OWN_COMMIT};
use super::frames::Frame;
use crate::sql::Strings;
use crate::sql::nature;
use crate::sql::nature::Nature;
use crate::sql::residue;
use crate::sql::residue::Residue;

/// The effects of a text, known from its Parse until it is bound.
#[derive(Clone, Copy, Default)]
pub(super) struct Effects {
    /// What it may leave in the session.
    pub(super) residue: Residue,
    /// What it may do to its transaction.
    pub(super) nature: Nature,
    /// What it does to the names by which later statements are understood.
    pub(super) change: Change,
}

impl Effects {
    /// Reads a text as far as it was kept; `beyond` is what the rest of it may do.
    pub(super) fn of(frame: &Frame<'_>, sql: &[u8], strings: Option<Strings>, beyond: Nature) -> Self {
        if sql.starts_with(OWN_BEGIN.as_bytes()) {
            return Effects { nature: Nature::OPENS, ..Effects::default() };
        }
        if frame.whole && sql == OWN_COMMIT.as_bytes() {
            return Effects { nature: Nature::ENDS, ..Effects::default() };
        }
        let (mut residue, mut nature) = (residue::of_sql(sql, strings), nature::of_sql(sql, strings));
        let change = Change::of(sql, nature, residue);
        if !frame.whole {
            residue = residue | Residue::ANYTHING;
            nature |= beyond;
        }
        Effects { residue, nature, change }
    }

    /// The text leaves nothing, and is done whole or not at all.
    pub(super) fn is_plain(self) -> bool {
        self.residue.is_none() && self.nature == Nature::ATOMIC
    }

    /// The text rolls back to a savepoint and ends no transaction.
    pub(super) fn undoes_a_part(self) -> bool {
        self.nature.contains(Nature::UNDOES) && !self.nature.contains(Nature::ENDS)
    }

    /// The text is a single COMMIT or ROLLBACK, which is never cancelled.
    pub(super) fn is_end(self) -> bool {
        let ends = self.nature.contains(Nature::ENDS) || self.nature.contains(Nature::UNDOES);
        ends && !self.nature.contains(Nature::SEVERAL)
    }
}
