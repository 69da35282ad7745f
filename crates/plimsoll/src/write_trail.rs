//! What one lease, or one request, has written outside a transaction.
//!
//! Two writes outside a transaction are two commits: when the second one fails, the first one stays, and what belongs
//! together is torn apart. The code that does so looks as harmless as any other, so it is found while it runs: each lease and
//! each [request](crate::request_id) keeps a trail of its first such write, and the second one is told of, once.

use crate::name::WorkName;
use parking_lot::Mutex;

/// The trail of one lease or one request.
#[derive(Debug, Default)]
pub(crate) struct WriteTrail(Mutex<Trail>);

#[derive(Debug, Default)]
enum Trail {
    #[default]
    Clean,
    /// This work has written in the database with this number.
    Once { work: WorkName, database: usize },
    /// It was told of.
    Told,
}

impl WriteTrail {
    /// Work has written outside a transaction. If it is the second time in this database, gives the work that was first; once.
    pub(crate) fn wrote(&self, by: &WorkName, in_database: usize) -> Option<WorkName> {
        let mut trail = self.0.lock();
        match &*trail {
            Trail::Clean => {
                *trail = Trail::Once { work: by.clone(), database: in_database };
                None
            }
            // No transaction spans two databases.
            Trail::Once { database, .. } if *database != in_database => None,
            Trail::Once { .. } => match std::mem::replace(&mut *trail, Trail::Told) {
                Trail::Once { work, .. } => Some(work),
                _ => None,
            },
            Trail::Told => None,
        }
    }

    /// Another lease begins.
    pub(crate) fn clear(&mut self) {
        *self.0.get_mut() = Trail::Clean;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_write_names_the_first_and_the_third_says_nothing() {
        let mut trail = WriteTrail::default();
        let [first, second] = ["first", "second"].map(WorkName::given);
        for _ in 0..2 {
            assert_eq!(trail.wrote(&first, 1), None);
            assert_eq!(trail.wrote(&second, 1), Some(first.clone()));
            assert_eq!(trail.wrote(&second, 1), None);
            trail.clear();
        }
    }

    #[test]
    fn writes_in_two_databases_need_no_transaction() {
        let trail = WriteTrail::default();
        let work = WorkName::here();
        assert_eq!((trail.wrote(&work, 1), trail.wrote(&work, 2)), (None, None));
        assert_eq!(trail.wrote(&work, 1), Some(work.clone()));
    }
}
