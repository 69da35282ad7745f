use super::*;
use proptest::prelude::*;

fn shown(sql: &str) -> String {
    normalise(sql, Some(Strings::Standard)).text
}

#[test]
fn constants_comments_spacing_and_case_vanish() {
    assert_eq!(
        shown("SELECT count(*), 'a' FROM t -- x\n WHERE a=$1 AND \"B\"=-1.5 and c IS NULL ;"),
        "select count(*), ? from t where a = ? and \"B\" = ? and c is null"
    );
    assert_eq!(shown("select a*-1, a-1, - 1::int, -b"), "select a * ?, a - ?, - ?::int, - b");
    assert_eq!(shown("SELECT a != true, e'x' $$y$$"), "select a <> ?, ? ?");
    assert_eq!(shown(";; select 1;; SELECT 2;"), "select ?; select ?");
}

#[test]
fn lists_of_constants_are_of_one_length() {
    let two = shown("select 1 where a in (1, 2)");
    assert_eq!(two, "select ? where a in (?, ...)");
    assert_eq!(two, shown("select 1 where a in (-1, $2, 3, NULL)"));
    assert_eq!(shown("select a in (1)"), "select a in (?)");
    assert_eq!(shown("select a in (1, b)"), "select a in (?, b)");
    assert_eq!(shown("select array[1,2,3], f(1,2)"), "select array[?, ...], f(?, ?)");
    assert_eq!(shown("select a in ('a'::text, 'b' :: TEXT)"), "select a in (?::text, ...)");
    assert_eq!(
        shown("insert into t values (1, 'a'), (2, 'b'), (3, 'c') on conflict do nothing"),
        "insert into t values (?, ?), ... on conflict do nothing"
    );
}

#[test]
fn a_text_that_is_too_long_is_read_at_its_beginning() {
    let list = |count: usize, first: usize| {
        let items: Vec<String> = (first..first + count).map(|item| item.to_string()).collect();
        format!("select 1 from t where a in ({}) and b = 1", items.join(","))
    };
    let [one, other] = [list(50_000, 1), list(60_000, 77)].map(|text| normalise(&text, None));
    assert_eq!(one, other, "both end in the midst of the list");
    assert!(one.text.len() <= SHOWN + 4);
}

#[test]
fn a_text_that_may_be_read_in_two_ways_shows_nothing_of_either() {
    let sql = r"select 'a\' , secret, ' '";
    assert_eq!(normalise(sql, None).text, "select ...");
    assert!(!normalise(sql, Some(Strings::Escaped)).text.contains("secret"));
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_shown_is_bounded(text in ".{0,400}", times in 1_usize..200) {
        let normalised = normalise(&text.repeat(times), None);
        prop_assert!(normalised.text.len() <= SHOWN + 4);
    }

    #[test]
    fn no_sql_panics_and_no_constant_is_shown(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "select", "in", "(", ")", ",", "values", "array", "[", "]", "-", "::", "int", "'secret'", "$1", "7", "E'\\'secret'",
            "*", "*-", "\"q\"", ";", "/* secret */", "--secret\n", "$$secret$$", "null", ".", ":", "N'secret'", "U&'secret'",
        ]), 0..60),
    ) {
        let normalised = normalise(&pieces.join(" "), Some(Strings::Standard));
        prop_assert!(!normalised.text.contains("secret") && !normalised.text.contains('7'), "{}", normalised.text);
    }
}

#[test]
fn a_value_of_a_setting_is_a_constant_however_it_is_written() {
    for (sql, wanted) in [
        ("SET app.token TO hunter2", "set app.token to ?"),
        ("SET LOCAL app.token = \"Hunter2\"", "set local app.token = ?"),
        ("set session search_path to a, b, 'c'", "set session search_path to ?, ?, ?"),
        ("SET a =hunter2; SELECT b = c", "set a = ?; select b = c"),
        ("SET a TO DEFAULT", "set a to default"),
        ("ALTER ROLE app SET app.token TO hunter2", "alter role app set app.token to ?"),
        ("ALTER SYSTEM SET a = -1", "alter system set a = ?"),
        ("alter database b set c from current", "alter database b set c from current"),
        ("UPDATE t SET a = b WHERE c = d", "update t set a = b where c = d"),
        ("ALTER TABLE t ALTER a SET DEFAULT b = c", "alter table t alter a set default b = c"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "set transaction isolation level serializable"),
    ] {
        assert_eq!(shown(sql), wanted);
    }
}

#[test]
fn statements_that_hold_passwords_show_none() {
    for sql in [
        "ALTER ROLE app PASSWORD 'planted'",
        "CREATE USER app WITH ENCRYPTED PASSWORD E'planted' VALID UNTIL 'planted'",
        "CREATE USER MAPPING FOR app SERVER s OPTIONS (user 'planted', password 'planted')",
        "CREATE SUBSCRIPTION s CONNECTION 'host=a password=planted' PUBLICATION p",
        "COPY t FROM PROGRAM 'curl -u planted'",
        "SELECT dblink_connect($c$password=planted$c$)",
        "DO $do$ BEGIN PERFORM 'planted'; END $do$",
        "NOTIFY a, 'planted'",
        "SELECT set_config('app.token', 'planted', true)",
        "SET app.token = planted",
        "SELECT 1 /* planted /* planted */ planted */ -- planted",
        "SECURITY LABEL ON TABLE t IS 'planted'",
        "EXECUTE p('planted', U&'planted')",
    ] {
        for end in 0..=sql.len() {
            // A text that is cut off, as a long one is, or has an error.
            for strings in [None, Some(Strings::Standard), Some(Strings::Escaped)] {
                let normalised = normalise(&sql[..end], strings).text;
                assert!(!normalised.contains("plan"), "{normalised}: {}", &sql[..end]);
            }
        }
    }
}
