//! Whatever a text leaves in the session, however it is written, is read from the text: a real server runs thousands of
//! them, is asked what is left, and nothing of that was overlooked. What leaves nothing and is ordinary is not taken
//! for a leftover, for behind a transaction pooler it would be refused.
//!
//! `PLIMSOLL_SEED` plays one seed again, `PLIMSOLL_CASES` says how many texts.

use crate::server::{bare, first, number};
use crate::sql::Strings;
use crate::sql::residue::{Residue, of_sql};
use fastrand::Rng;
use plimsoll_embedded::test_server;
use tokio_postgres::Client;

/// What leaves something. `<name>` is a name that may be quoted, a space may be any white space or a comment.
const LEAVES: &[&str] = &[
    "set work_mem = '1MB'",
    "set session work_mem to 1024",
    "set <work_mem> = 1024",
    "set local.tenant = 'x'",
    "set session.tenant = 'x'",
    "set transaction.tenant to 'x'",
    "set time zone 'Asia/Tokyo'",
    "set role other",
    "set session authorization other",
    "set session characteristics as transaction read only",
    "select <set_config>('work_mem', '1MB', false)",
    "select <pg_catalog> . <set_config> ('work_mem' , '1MB', false)",
    "select <set_config>('work_mem', '1MB', not true)",
    "select * from <set_config>('work_mem', '1MB', 'f')",
    "update pg_settings set setting = '1MB' where name = 'work_mem'",
    "update <pg_catalog>.<pg_settings> set setting = '1MB' where name = 'work_mem'",
    "select <pg_advisory_lock>(1)",
    "select <pg_catalog>.<pg_advisory_lock> (1, 2)",
    "select <pg_advisory_lock_shared>(1)",
    "select <pg_try_advisory_lock>(1)",
    "select <pg_try_advisory_lock_shared>(1)",
    "explain analyze select <pg_advisory_lock>(1)",
    "with x as (select <pg_advisory_lock>(1)) select * from x",
    "copy (select <pg_advisory_lock>(1)) to '/dev/null'",
    "create temp table t (a int)",
    "create temporary table t (a int)",
    "create local temp table t (a int)",
    "create global temporary table t (a int)",
    "create temp table t as select 1",
    "create temp sequence s",
    "create temp view v as select 1",
    "create temp recursive view v (n) as select 1",
    "create or replace temp view v as select 1",
    "create or replace local temp view v as select 1",
    "create or replace global temporary view v as select 1",
    "create table <pg_temp> . t (a int)",
    "create table <pg_temp>.<t> (a int)",
    "create view <pg_temp>.v as select 1",
    "create function <pg_temp>.f() returns int language sql as 'select 1'",
    "create type <pg_temp>.ty as (a int)",
    "select 1 into temp t",
    "select 1 as insert into temp t",
    "select (1) insert into temp t",
    "select 1 into temporary table t",
    "select 1 into local temp t",
    "select 1 into local temporary table t",
    "select 1 into global temp t",
    "with x as (select 1) select * into temp t from x",
    "explain analyze create temp table t as select 1",
    "explain (analyze, costs off) create local temp table t as select 1",
    "explain analyze verbose create temporary table t as select 1",
    "begin; set local search_path = <pg_temp>; create table t (a int); commit",
    "begin; set local search_path to 'pg_temp', public; create table t (a int); commit",
    "begin; set local search_path = \"$user\", <pg_temp>; create table t (a int); commit",
    "begin; set local schema 'pg_temp'; create table t (a int); commit",
    "begin; select set_config('search_path', '\"pg_temp\", public', true); create table t (a int); commit",
    "listen news",
    "listen \"Some News\"",
    "declare c cursor with hold for select 1",
    "declare c binary insensitive scroll cursor with hold for select 1",
    "begin; declare c no scroll cursor with hold for select 1; commit",
    "declare cursor cursor with hold for select 1",
    "prepare p as select 1",
    "prepare transaction as select 1",
    "prepare p (int) as select $1",
    "do $x$ begin perform set_config('work_mem', '1MB', false); end $x$",
    "do language plpgsql 'begin perform pg_advisory_lock(1); end'",
    "call leave()",
    "call public . <leave>()",
    "select <query_to_xml>('select pg_advisory_lock(1)', true, true, '')",
    "select <dblink_connect>('c', link())",
    "select public.<dblink_connect_u>('c', link())",
    "select <set_limit>(0.7)",
    "select '\\'; set work_mem = 1024; --'",
    "select E'\\''; set work_mem = 1024; --'",
    "select $a$ ; $b$ $a$; set work_mem = 1024",
    "select 1 -- ;\r; set work_mem = 1024",
];

/// What is written every day and leaves nothing.
const LEAVES_NOTHING: &[&str] = &[
    "select 1",
    "begin; set local work_mem = 1024; commit",
    "begin; set local time zone 'Asia/Tokyo'; commit",
    "begin; set local search_path = public, <pg_temp>; commit",
    "begin; set local role other; commit",
    "begin; set transaction read only; commit",
    "begin; set constraints all deferred; commit",
    "select <set_config>('work_mem', '1MB', true)",
    "begin; select pg_catalog.<set_config>('search_path', 'public, pg_temp', true); commit",
    "select <pg_advisory_xact_lock>(1)",
    "select <pg_try_advisory_xact_lock_shared>(1)",
    "begin; declare c cursor for select 1; fetch c; commit",
    "begin; declare c scroll cursor without hold for select 1; commit",
    "insert into temp values (1)",
    "insert into temp (a) select 1",
    "with x as (insert into temp select 1 returning 1) select * from x",
    "with x as (select 1 as a) insert into temp select a from x",
    "explain insert into temp values (1)",
    "merge into temp using (select 1 as b) x on a = b when matched then delete",
    "select nextval('seq')",
    "select 'set work_mem = 1; listen x'",
    "select 'pg_advisory_lock', $$set_config$$ as prepared",
    "select \"temp\".a from temp",
    "select setting from pg_settings where name = 'work_mem'",
    "create or replace function f() returns int language sql set search_path = public, pg_temp as 'select 1'",
    "/* set work_mem = 1 */ select 1 -- ; set work_mem = 1",
    "select 1 as \"create\", 2 as \"temp\"",
    "explain select 1",
    "update temp set a = 2",
];

fn one<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// A name in one of the ways to write it.
fn quoted(rng: &mut Rng, name: &str) -> String {
    let escaped = |escape: char| -> String {
        let mut out = String::new();
        for (at, letter) in name.char_indices() {
            match at % 3 {
                0 => out.push_str(&format!("{escape}{:04x}", u32::from(letter))),
                1 => out.push_str(&format!("{escape}+{:06X}", u32::from(letter))),
                _ => out.push(letter),
            }
        }
        out
    };
    match rng.u8(..6) {
        0 => name.to_owned(),
        1 => name.to_ascii_uppercase(),
        2 | 3 => format!("\"{name}\""),
        4 => format!("U&\"{}\"", escaped('\\')),
        _ => format!("u&\"{}\" /* ; */ uescape\r'!'", escaped('!')),
    }
}

/// A text of the list, written in one way of many; what is quoted in it stays as it is.
fn written(rng: &mut Rng, pattern: &str) -> String {
    if ["$ ", "\\", "--"].iter().any(|part| pattern.contains(part)) {
        return pattern.to_owned();
    }
    let spaces = [" ", "\n", "\r", "\t", "/* ; */", "/*/* ' */*/", " -- '\r", " -- \"\n", "\u{c}"];
    let (mut text, mut quote, mut name) = (String::new(), None, None::<String>);
    for letter in pattern.chars() {
        match (letter, &mut name, quote) {
            ('>', Some(whole), None) => {
                text.push_str(&quoted(rng, whole));
                name = None;
            }
            (_, Some(whole), None) => whole.push(letter),
            ('<', None, None) => name = Some(String::new()),
            (_, _, Some(open)) => {
                text.push(letter);
                quote = Some(open).filter(|open| *open != letter);
            }
            ('\'' | '"', ..) => {
                text.push(letter);
                quote = Some(letter);
            }
            (' ', ..) => text.push_str(one(rng, &spaces)),
            _ if rng.bool() => text.push(letter.to_ascii_uppercase()),
            _ => text.push(letter),
        }
    }
    text
}

/// What a session carries over, as one text that is the same for each clean one.
const LEFT: &str = "select concat_ws(' ', session_user, current_user, current_setting('timezone'),
    coalesce(current_setting('local.tenant', true), ''), coalesce(current_setting('session.tenant', true), ''),
    coalesce(current_setting('transaction.tenant', true), ''),
    (select string_agg(name, ',') from pg_catalog.pg_settings where source = 'session'
        and name not in ('standard_conforming_strings', 'escape_string_warning', 'client_min_messages')
        and name not like 'transaction\\_%'),
    (select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
    (select count(*) from pg_catalog.pg_class where relnamespace = pg_my_temp_schema()),
    (select count(*) from pg_catalog.pg_proc where pronamespace = pg_my_temp_schema()),
    (select count(*) from pg_catalog.pg_cursors where is_holdable),
    (select count(*) from pg_catalog.pg_listening_channels()),
    (select count(*) from pg_catalog.pg_prepared_statements),
    (select coalesce(array_length(public.dblink_get_connections(), 1), 0)))";

/// What takes everything back, as far as that can be.
const CLEAN: &str = "drop view if exists v; drop table if exists t; \
    select public.dblink_disconnect(c) from unnest(public.dblink_get_connections()) c";

async fn session(url: &str, setting: &str) -> Client {
    let client = bare(url).await;
    client.batch_execute(&says(setting)).await.unwrap();
    client
}

fn says(setting: &str) -> String {
    format!(
        "set standard_conforming_strings = {setting}; set escape_string_warning = off; set client_min_messages = error"
    )
}

const SETUP: &str =
    "create extension dblink; create extension pg_trgm; create sequence seq; create table temp (a int);
    do $$ begin create role other; exception when duplicate_object or unique_violation then null; end $$;
    create function link() returns text language sql as $$ select '{url}' $$;
    create procedure leave() language plpgsql as $$ begin perform pg_advisory_lock(1); end $$;";

/// A database in which the texts mean something.
async fn database() -> test_server::TestDatabase {
    let fresh = test_server::database().await.unwrap();
    bare(&fresh.url()).await.batch_execute(&SETUP.replace("{url}", &fresh.url())).await.unwrap();
    fresh
}

#[tokio::test]
async fn nothing_that_is_left_is_overlooked() {
    let fresh = database().await;
    let cases = number("PLIMSOLL_CASES", 8 * LEAVES.len() as u64);
    let only = std::env::var("PLIMSOLL_SEED").ok().map(|_| number("PLIMSOLL_SEED", 0));
    let (mut left, mut failed) = (vec![0_u32; LEAVES.len()], Vec::new());
    for (strings, setting) in [(Strings::Standard, "on"), (Strings::Escaped, "off")] {
        let client = session(&fresh.url(), setting).await;
        let clean = first(&client, LEFT).await.unwrap();
        for seed in only.map_or(0..cases, |seed| seed..seed + 1) {
            let number = seed as usize % LEAVES.len();
            let text = written(&mut Rng::with_seed(seed), LEAVES[number]);
            let result = client.batch_execute(&text).await;
            let after = first(&client, &format!("rollback; {LEFT}")).await.unwrap();
            let found = of_sql(text.as_bytes(), Some(strings));
            if after != clean {
                left[number] += 1;
                assert!(!found.is_none(), "PLIMSOLL_SEED={seed}, {strings:?}: {text:?} left {after:?}");
                let both = of_sql(text.as_bytes(), None);
                assert!(both.contains(found), "PLIMSOLL_SEED={seed}: {text:?}");
            } else {
                failed.push(format!("{text:?}: {:?}", result.err().and_then(|error| error.into_source())));
                continue;
            }
            for text in ["rollback", "discard all", CLEAN] {
                client.batch_execute(text).await.unwrap();
            }
            client.batch_execute(&says(setting)).await.unwrap();
        }
    }
    let idle: Vec<_> =
        LEAVES.iter().zip(&left).filter(|(_, count)| **count == 0).map(|(text, _)| text).collect();
    assert!(
        only.is_some() || idle.is_empty(),
        "these left nothing, so they prove nothing: {idle:#?}\n{failed:#?}"
    );
}

#[tokio::test]
async fn what_leaves_nothing_is_not_taken_for_a_leftover() {
    let fresh = database().await;
    let client = session(&fresh.url(), "on").await;
    let clean = first(&client, LEFT).await.unwrap();
    for seed in 0..10 * LEAVES_NOTHING.len() as u64 {
        let text = written(&mut Rng::with_seed(seed), LEAVES_NOTHING[seed as usize % LEAVES_NOTHING.len()]);
        client.batch_execute(&text).await.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert_eq!(first(&client, LEFT).await.unwrap(), clean, "{text:?}");
        assert_eq!(of_sql(text.as_bytes(), Some(Strings::Standard)), Residue::NONE, "{text:?}");
    }
}
