use super::*;

fn nature(sql: &str) -> Nature {
    of_sql(sql.as_bytes(), Some(Strings::Standard))
}

#[test]
fn queries_and_changes_of_tables_are_done_whole_or_not_at_all() {
    for sql in [
        "SELECT 1",
        " /* x */ insert into t values ($1) ;",
        "((SELECT 1) UNION (SELECT 2))",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "VALUES (1)",
        "TABLE t",
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
        "CREATE UNIQUE INDEX i ON t (a)",
        "create or replace function f() returns int language sql as 'select 1; commit'",
        "ALTER TABLE t ADD COLUMN \"commit\" int",
        "EXPLAIN ANALYZE DELETE FROM t",
        "CREATE TRIGGER t BEFORE INSERT ON t EXECUTE FUNCTION f()",
        "SAVEPOINT a",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "",
        ";;",
    ] {
        assert_eq!(nature(sql).without(Nature::SEVERAL), Nature::ATOMIC, "{sql}");
    }
}

#[test]
fn what_may_keep_a_part_of_itself_is_unclear() {
    for sql in [
        "CALL p()",
        "DO $$ BEGIN COMMIT; END $$",
        "EXECUTE s",
        "EXPLAIN ANALYZE EXECUTE s",
        "VACUUM t",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "REINDEX TABLE t",
        "CREATE DATABASE d",
        "DROP SUBSCRIPTION s",
        "ALTER SYSTEM SET x = 1",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "COMMIT PREPARED 'x'",
        "ROLLBACK PREPARED 'x'",
        "SELEKT 1",
        "'SELECT'",
        "\"select\" 1",
        "SELECT 1; CALL p()",
        "CLUSTER",
    ] {
        assert!(nature(sql).contains(Nature::UNCLEAR), "{sql}");
    }
}

#[test]
fn the_end_of_a_transaction_is_found_wherever_it_stands() {
    for sql in [
        "COMMIT",
        "commit work",
        "END",
        "abort",
        "ROLLBACK",
        "ROLLBACK TRANSACTION",
        "PREPARE TRANSACTION 'x'",
        "insert into t values (1); commit",
        "/* */ -- x\n rollback; begin",
        "COMMIT AND CHAIN",
        "COMMIT AND NO CHAIN",
        "ROLLBACK TO a; COMMIT",
    ] {
        assert!(nature(sql).contains(Nature::ENDS), "{sql}");
        assert!(may_end(sql), "{sql}");
    }
    for sql in ["ROLLBACK TO a", "rollback work to savepoint a", "ROLLBACK TRANSACTION TO a"] {
        assert_eq!(nature(sql), Nature::UNDOES, "{sql}");
        assert!(!may_end(sql), "{sql}");
    }
}

#[test]
fn whether_a_transaction_is_open_afterwards() {
    for sql in ["BEGIN", "START TRANSACTION", "commit; begin;", "COMMIT AND CHAIN", "ROLLBACK WORK AND CHAIN"]
    {
        assert!(nature(sql).contains(Nature::OPENS), "{sql}");
    }
    for sql in ["BEGIN; END;", "begin; select 1; commit", "COMMIT AND NO CHAIN", "select 1"] {
        assert!(!nature(sql).contains(Nature::OPENS), "{sql}");
    }
}

#[test]
fn where_the_way_of_reading_is_not_known_both_are_looked_at() {
    let hidden = br"select '\'; commit; select '";
    assert!(of_sql(hidden, None).contains(Nature::ENDS));
    assert!(!of_sql(hidden, Some(Strings::Escaped)).contains(Nature::ENDS));
}

#[test]
fn what_changes_the_meaning_of_names_is_found() {
    let says = |sql| nature(sql).contains(Nature::REDIRECTS);
    for sql in [
        "SET search_path = a",
        "set local role x",
        "SET SCHEMA 'a'",
        "RESET ALL",
        "SET SESSION AUTHORIZATION x",
        "select set_config('search_path', 'a', true)",
        "SELECT pg_catalog.\"set_config\"($1, $2, true)",
        "BEGIN; SET LOCAL search_path TO a, b",
    ] {
        assert!(says(sql), "{sql}");
    }
    for sql in
        ["SELECT role FROM t", "SET LOCAL statement_timeout = 5", "UPDATE t SET role = 'all'", "SHOW all"]
    {
        assert!(!says(sql), "{sql}");
    }
    assert!(nature("select set_config('search_path', $1, true)").contains(Nature::REDIRECTS_SOMEWHERE));
    assert!(!nature("SET search_path = a").contains(Nature::REDIRECTS_SOMEWHERE));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(sql: Vec<u8>) {
        let _ = of_sql(&sql, None);
    }
}
