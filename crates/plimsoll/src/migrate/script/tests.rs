use super::*;

fn texts(sql: &str) -> Vec<&str> {
    statements(sql).iter().map(|statement| statement.sql.trim()).collect()
}

fn kind(sql: &str) -> Kind {
    statements(sql)[0].kind
}

#[test]
fn a_semicolon_ends_a_statement_where_psql_says_so() {
    assert_eq!(texts("select 1; select ';'; -- ;\n/* ; */ ;"), ["select 1", "select ';'"]);
    assert_eq!(texts("do $x$ begin; end; $x$; select 2"), ["do $x$ begin; end; $x$", "select 2"]);
    assert_eq!(texts("create rule r as on insert to t do (select 1; select 2); select 3").len(), 2);
    assert_eq!(texts("create function begin() returns int as 'select 1'; commit").len(), 2);
    assert_eq!(kind("select * from begin atomic; commit"), Kind::Ordinary);
    let atomic = "create or replace function f(a int) returns int begin atomic \
                  select case a when 1 then 2 end; select 3; end";
    assert_eq!(texts(&format!("{atomic}; select 4")), [atomic, "select 4"]);
    assert_eq!(texts("select case a when 1 then 2 end; select 4").len(), 2);
    assert_eq!(texts("  \n -- nothing\n"), Vec::<&str>::new());
}

#[test]
fn every_statement_knows_its_line() {
    let sql = "-- one\nselect 1;\n\nselect\n  2; select 3;\n-- four\n/* five\n*/ select 4";
    let lines: Vec<_> = statements(sql).iter().map(|statement| statement.line).collect();
    assert_eq!(lines, [2, 4, 5, 8]);
    let all = statements(sql);
    let position = |at: usize, what: &str| u32::try_from(all[at].sql.find(what).unwrap() + 1).unwrap();
    assert_eq!(all[1].line_at(position(1, "2")), 5);
    assert_eq!(all[3].line_at(position(3, "4")), 8);
    assert_eq!(all[0].line_at(position(0, "1")), 2);
}

#[test]
fn what_cannot_be_part_of_a_transaction_is_recognised() {
    for sql in ["BEGIN", "commit", "END", "rollback", "abort", "start transaction", "COMMIT PREPARED 'a'"] {
        assert_eq!(kind(sql), Kind::EndsTransaction, "{sql}");
    }
    for sql in [
        "create unique index concurrently if not exists a on b (c)",
        "drop index concurrently a",
        "reindex (verbose) table concurrently t",
        "VACUUM t",
        "create database d",
    ] {
        assert_eq!(kind(sql), Kind::StandsAlone, "{sql}");
    }
    for sql in [
        "savepoint a",
        "rollback to savepoint a",
        "rollback work to a",
        "refresh materialized view concurrently v",
        "select 'commit'",
        "prepare x as select 1",
        "copy t to stdout",
    ] {
        assert_eq!(kind(sql), Kind::Ordinary, "{sql}");
    }
    assert_eq!(kind("copy t (a, b) from stdin"), Kind::CopiesFromClient);
}

#[test]
fn lines_end_as_editors_of_all_systems_end_them() {
    for end in ["\n", "\r\n", "\r"] {
        let sql = ["-- one", "select 1;", "", "select", "  2 -- ; x", ";/* a", "*/ select 3"].join(end);
        let all = statements(&sql);
        let lines: Vec<_> = all.iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [2, 4, 7], "{sql:?}");
        let at = u32::try_from(all[1].sql.find('2').unwrap() + 1).unwrap();
        assert_eq!(all[1].line_at(at), 5, "{sql:?}");
    }
}

#[test]
fn what_is_for_psql_is_told_apart() {
    let dump =
        "--\n-- dump\n--\n\n\\restrict aB3\n\nSET a = 1;\nselect 'x\n\\unrestrict y';\n\\unrestrict aB3\n";
    assert_eq!(texts(dump), ["SET a = 1", "select 'x\n\\unrestrict y'"]);
    assert_eq!(statements(dump).iter().map(|s| s.line).collect::<Vec<_>>(), [7, 8]);
    let copy = "select 1;\ncopy t (a) from stdin;\nit's\t\\N\n\\.\n\nselect\n\\gexec\n2;\n\\i a.sql\n";
    let found: Vec<_> = statements(copy).iter().map(|s| (s.sql.trim(), s.line, s.kind)).collect();
    assert_eq!(
        found,
        [
            ("select 1", 1, Kind::Ordinary),
            ("copy t (a) from stdin", 2, Kind::CopiesFromClient),
            ("\\gexec", 7, Kind::ForPsql),
            ("select\n\\gexec\n2", 6, Kind::Ordinary),
            ("\\i a.sql", 9, Kind::ForPsql),
        ]
    );
}

#[test]
fn a_name_is_found_only_whole() {
    let statement = statements("create index concurrently \"Idx_a\" on t (a)")[0];
    assert!(statement.names("idx_a") && statement.names("t"));
    assert!(!statement.names("idx") && !statement.names("dx_a"));
}

proptest::proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_panics(sql in "[ab;'\"$/*\\-\\n\\r\\\\() é]{0,60}") {
        let found = statements(&sql);
        let sql_of = |statement: &&Statement<'_>| statement.kind != Kind::ForPsql;
        let length: usize = found.iter().filter(sql_of).map(|statement| statement.sql.len() + 1).sum();
        proptest::prop_assert!(length <= sql.len() + 1);
        for (statement, number) in found.iter().zip(1..) {
            proptest::prop_assert_eq!(statement.number, number);
            proptest::prop_assert!(statement.line <= breaks(&sql) + 1);
            let _ = statement.line_at(7);
        }
    }

    #[test]
    fn joined_statements_come_apart_again(parts in proptest::collection::vec("[a-z]{1,8}( '[^'\\\\]{0,5}')?", 1..6)) {
        let sql = parts.join(";\n");
        let parts: Vec<&str> = parts.iter().map(|part| part.trim()).collect();
        proptest::prop_assert_eq!(texts(&sql), parts);
    }
}
