//! A fault at each boundary between two statements of an operation, one after the other, until the operation passes.
//!
//! Triggers on every table of the tenants' count each write before and after it, and once more at COMMIT, by a sequence, which
//! no rollback takes back; at the chosen number they raise. The record of who did what has none: its rows are written by triggers
//! within the statements that they tell of, and so have no boundaries of their own. It is compared as all other tables are.

use crate::service::Fleet;
use std::fmt::Debug;

const INSTALL: &str = "
    CREATE SCHEMA faults;
    CREATE SEQUENCE faults.boundary;
    CREATE TABLE faults.chosen (n bigint NOT NULL);
    INSERT INTO faults.chosen VALUES (0);
    CREATE FUNCTION faults.strike() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        IF nextval('faults.boundary') = (SELECT n FROM faults.chosen) THEN
            RAISE EXCEPTION 'a fault at a boundary';
        END IF;
        RETURN NULL;
    END $$;
    DO $$
    DECLARE t regclass;
    BEGIN
        FOR t IN SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
                   AND c.relname <> 'audit_log'
        LOOP
            EXECUTE format('CREATE TRIGGER strike_before BEFORE INSERT OR UPDATE OR DELETE ON %s
                            FOR EACH STATEMENT EXECUTE FUNCTION faults.strike()', t);
            EXECUTE format('CREATE TRIGGER strike_after AFTER INSERT OR UPDATE OR DELETE ON %s
                            FOR EACH STATEMENT EXECUTE FUNCTION faults.strike()', t);
            EXECUTE format('CREATE CONSTRAINT TRIGGER strike_at_commit AFTER INSERT OR UPDATE OR DELETE ON %s
                            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION faults.strike()', t);
        END LOOP;
    END $$";

/// An operation has no more than these.
const MOST: u32 = 200;

/// Puts the triggers on the tables of this service.
pub(crate) async fn install(fleet: &Fleet) {
    fleet.database.execute(INSTALL).await.unwrap();
}

/// Runs an operation with a fault at its first boundary, then at its second, until it passes all of them. After each fault the
/// tables are what they were before; after the last try they are not. Gives the number of boundaries.
pub(crate) async fn all_or_nothing<T: Debug>(
    fleet: &Fleet,
    what: &str,
    is_done: impl Fn(&T) -> bool,
    operation: impl AsyncFn() -> T,
) -> u32 {
    let before = state(fleet).await;
    for boundary in 1..=MOST {
        choose(fleet, boundary).await;
        let answer = operation().await;
        let struck = fleet.number("SELECT last_value AS n FROM faults.boundary").await >= i64::from(boundary);
        let after = state(fleet).await;
        if struck {
            assert!(!is_done(&answer), "{what} is told as done in spite of fault {boundary}: {answer:?}");
            assert_eq!(after, before, "{what} has left something behind after fault {boundary}");
            continue;
        }
        assert!(is_done(&answer), "{what}: {answer:?}");
        assert_ne!(after, before, "{what} has changed nothing");
        choose(fleet, 0).await;
        return boundary - 1;
    }
    panic!("{what} has more than {MOST} boundaries");
}

async fn choose(fleet: &Fleet, boundary: u32) {
    let sql = format!("UPDATE faults.chosen SET n = {boundary}; SELECT setval('faults.boundary', 1, false)");
    fleet.database.execute(&sql).await.unwrap();
}

/// Every row of every table of the tenants', as text.
pub(crate) async fn state(fleet: &Fleet) -> Vec<(String, String)> {
    let sql = "SELECT c.oid::regclass::text AS name FROM pg_class c
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
               WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
               ORDER BY 1";
    let mut state = Vec::new();
    for table in fleet.database.execute(sql).await.unwrap() {
        let name = table["name"].clone();
        let sql =
            format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') AS s FROM {name} t");
        let rows = fleet.database.execute(&sql).await.unwrap();
        state.push((name, rows[0]["s"].clone()));
    }
    state
}
