//! Cases that are known more exactly than their fault: the server's SQLSTATE, and for some the routine that raised it,
//! tell the cause. A routine's name, unlike a message, does not change with the server's language.

use super::{Advice, Fault};

/// Likely cause and remedy of one SQLSTATE.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SqlstateAdvice {
    /// The server's code.
    pub sqlstate: &'static str,
    /// The routine of the server that raises it, if only that one is meant.
    pub routine: Option<&'static str>,
    /// The likely cause.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

const fn case(sqlstate: &'static str, cause: &'static str, remedy: &'static str) -> SqlstateAdvice {
    SqlstateAdvice { sqlstate, routine: None, cause, remedy }
}

const CASES: &[SqlstateAdvice] = &[
    case(
        "22021",
        "a text holds a byte that its encoding does not have, such as zero",
        "clean the text before it is stored, or keep it in a bytea",
    ),
    case(
        "25001",
        "the statement may not run inside a transaction, or comes too late in one",
        "run VACUUM, CREATE INDEX CONCURRENTLY and the like alone; put SET TRANSACTION first",
    ),
    case(
        "25P02",
        "an earlier statement of the transaction failed, and the server refuses the rest",
        "look at the first error; use a savepoint where failure is expected",
    ),
    case(
        "28000",
        "the role may not log in, or no line of pg_hba.conf lets it in from here",
        "see the server's log for the line that refused; allow the role, the database and this address there and reload",
    ),
    case(
        "28P01",
        "the password is wrong, or the role has none",
        "correct the password (settings, PGPASSWORD or the password file), or set one with ALTER ROLE .. PASSWORD",
    ),
    case(
        "2D000",
        "a procedure commits or rolls back where it is called inside a transaction",
        "call it alone, on the pool or a lease",
    ),
    case(
        "3D000",
        "no database of this name exists on the server",
        "create the database (CREATE DATABASE), or correct its name",
    ),
    case(
        "3F000",
        "no schema of this name exists in the database",
        "correct the name or search_path, or run the migrations that create it",
    ),
    SqlstateAdvice {
        sqlstate: "42601",
        routine: Some("exec_parse_message"),
        cause: "the text holds several statements, and what is prepared or takes parameters is one",
        remedy: "use batch_execute for a text of several statements, or run them one by one in a transaction",
    },
    case(
        "42601",
        "the statement is no valid SQL at the place that is named",
        "correct it there; a value belongs into a parameter ($1)",
    ),
    case(
        "42703",
        "no column of this name exists in the tables that are named",
        "correct the name, or run the migrations that add the column",
    ),
    case(
        "42883",
        "no function or operator takes arguments of these types",
        "cast the arguments (as in $1::int), or create the function",
    ),
    case(
        "42P01",
        "no table of this name exists in the schemas of search_path",
        "write its schema before its name, or run the migrations that create it",
    ),
    case("42P18", "nothing in the statement tells the type of a parameter", "add a cast, as in $1::text"),
    case(
        "53100",
        "the server's disk is full",
        "free space there: old logs, WAL that a replication slot holds back, tables that can go",
    ),
    case(
        "53200",
        "the server ran out of memory",
        "lower work_mem or the number of connections, or give the server more memory",
    ),
    case(
        "54001",
        "the statement nests too deeply for the server's stack",
        "look for a recursion without an end, or for a list of thousands of ORs; raise max_stack_depth if it must be so",
    ),
    case(
        "55006",
        "other sessions use the object, so it cannot be changed or dropped",
        "find them in pg_stat_activity, and try again once they have gone",
    ),
    case(
        "XX001",
        "a page of a table is damaged",
        "stop writing to it, make a copy of the data directory, and look at the disk and at the backups before anything else",
    ),
    case(
        "XX002",
        "an index is damaged",
        "look at the disk; REINDEX the index, and check the table with amcheck",
    ),
];

impl Fault {
    /// The cases of this fault of which more is known: each is a SQLSTATE with a cause and a remedy of its own.
    pub fn cases(self) -> impl Iterator<Item = &'static SqlstateAdvice> {
        let is_of = move |case: &&SqlstateAdvice| {
            let code = case.sqlstate;
            Fault::of_sqlstate(code) == self || Fault::of_sqlstate_in_session(code) == self
        };
        CASES.iter().filter(is_of)
    }

    /// The texts for an error with this SQLSTATE, which this routine raised.
    pub(crate) fn advice_for(self, sqlstate: Option<&str>, routine: Option<&str>) -> Advice {
        let advice = self.advice();
        let is_this = |case: &&SqlstateAdvice| {
            Some(case.sqlstate) == sqlstate && (case.routine.is_none() || case.routine == routine)
        };
        match self.cases().find(is_this) {
            Some(case) => Advice { cause: case.cause, remedy: case.remedy, ..advice },
            None => advice,
        }
    }
}
