//! Texts that differ only in their constants, spacing, comments and the case of keywords have one fingerprint, and the
//! server's own query identifier is the judge: hundreds of generated pairs have one identifier there and one fingerprint
//! here, and no two texts that the server tells apart have the same fingerprint.
//!
//! Up to PostgreSQL 17 the identifier depends on how long a list of constants is, so there pairs with lists of different
//! lengths are only compared with each other; rows after `VALUES` are so on every version. `PLIMSOLL_PG_BIN` names the
//! version, `PLIMSOLL_CASES` how many pairs.

use crate::server::{bare, number};
use crate::sql::Strings;
use crate::sql::fingerprint::normalise;
use fastrand::Rng;
use plimsoll_embedded::test_server;
use std::collections::HashMap;
use tokio_postgres::{Client, SimpleQueryMessage};

const SCHEMA: &str = "CREATE TABLE item (id int, \"Name\" text, price numeric, tags int[], made timestamptz, active bool); \
     SET compute_query_id = on";

/// What is selected. `{i}` stands for an integer, `{p}` for one without a sign, `{n}` for a number with a fraction, `{s}`
/// for a string, `{b}` for a truth value, `{I}` and `{S}` for lists, `{R}` for rows.
const ITEMS: &[&str] = &[
    "id",
    "\"Name\"",
    "{i}",
    "{i} + id",
    "id - {i}",
    "id * - {p}",
    "id + {n}",
    "- id",
    "- {p} :: int",
    "coalesce ( \"Name\" , {s} )",
    "coalesce ( \"Name\" , {s} , {s} )",
    "case when id > {i} then {s} else {s} end",
    "{s} :: text",
    "{s} || \"Name\"",
    "tags [ {p} ]",
    "array [ {I} ]",
    "id :: bigint",
    "( select count ( * ) from item )",
    "date {d}",
    "{b}",
];

const CONDITIONS: &[&str] = &[
    "id = {i}",
    "id != {i}",
    "id in ( {I} )",
    "id not in ( {I} )",
    "\"Name\" in ( {S} )",
    "\"Name\" = {s}",
    "\"Name\" like {s}",
    "\"Name\" not like {s}",
    "id between {i} and {i}",
    "made > {d}",
    "id is null",
    "id is not null",
    "price < {n}",
    "price <= {n}",
    "not id = {i}",
    "active is true",
    "active is not true",
    "active = {b}",
    "id = any ( array [ {I} ] )",
    "exists ( select {i} from item b where b . id = item . id )",
    "( id , price ) = ( {i} , {n} )",
];

const ENDS: &[&str] =
    &["", "", "order by id", "order by id desc", "limit {i}", "limit {i} offset {p}", "for update"];

const COMMENTS: &[&str] = &["/* it's */", "/* /* nested */ ; */", "-- one line, 'open\n", "--\n"];

/// A statement with marks where constants stand.
fn structure(rng: &mut Rng) -> String {
    let conditions: Vec<&str> =
        (0..rng.usize(1..4)).map(|_| CONDITIONS[rng.usize(..CONDITIONS.len())]).collect();
    let condition = conditions.join(if rng.bool() { " and " } else { " or " });
    let items: Vec<&str> = (0..rng.usize(1..4)).map(|_| ITEMS[rng.usize(..ITEMS.len())]).collect();
    let items = items.join(" , ");
    let end = ENDS[rng.usize(..ENDS.len())];
    match rng.u8(..10) {
        0 => format!("update item set \"Name\" = {{s}} , price = {{n}} where {condition}"),
        1 => format!("delete from item where {condition} returning {items}"),
        2 => "insert into item ( id , \"Name\" , price ) values {R}".to_owned(),
        3 => format!("insert into item ( id , \"Name\" ) select {{i}} , {{s}} from item where {condition}"),
        4 => format!(
            "with chosen as ( select {items} from item where {condition} ) select count ( * ) from chosen"
        ),
        5 => format!("select id from item where {condition} union all select {{i}} {}", "order by id"),
        _ => format!("select {items} from item where {condition} {end}"),
    }
}

fn integer(rng: &mut Rng, signed: bool) -> String {
    let number = rng.u32(..1_000_000);
    match signed && rng.u8(..4) == 0 {
        true => format!("- {number}"),
        false => number.to_string(),
    }
}

fn string(rng: &mut Rng) -> String {
    let letters: String = (0..rng.usize(..9)).map(|_| rng.alphabetic()).collect();
    match rng.u8(..8) {
        0 => format!("E'{letters}\\'\\n'"),
        1 => format!("$$it's {letters}$$"),
        2 => format!("$tag$;{letters}$tag$"),
        3 => format!("'{letters}''s'"),
        4 => format!("U&'{letters}\\0061'"),
        5 => format!("'{letters}'\n  'and more'"),
        6 => format!("'-- {letters} /*'"),
        _ => format!("'{letters}'"),
    }
}

/// A constant for this mark.
fn constant(rng: &mut Rng, mark: &str, length: usize) -> String {
    let list = |rng: &mut Rng, mark: &str| {
        let members: Vec<String> = (0..length).map(|_| constant(rng, mark, 0)).collect();
        members.join(" , ")
    };
    match mark {
        "{i}" => integer(rng, true),
        "{p}" => integer(rng, false),
        "{n}" => ["1.5", ".25", "7.", "1e3", "12.75e-2"][rng.usize(..5)].to_owned(),
        "{s}" => string(rng),
        "{b}" => if rng.bool() { "true" } else { "false" }.to_owned(),
        "{d}" => format!("'20{}-0{}-1{}'", rng.u8(10..30), rng.u8(1..10), rng.u8(..9)),
        "{I}" => list(rng, "{i}"),
        "{S}" => list(rng, "{s}"),
        "{r}" => format!("( {} , {} , {} )", integer(rng, true), string(rng), constant(rng, "{n}", 0)),
        "{R}" => list(rng, "{r}"),
        other => other.to_owned(),
    }
}

/// Nothing, where the tokens stay two without a space; else a space, a comment, a line break.
fn gap(rng: &mut Rng, left: &str, right: &str) -> String {
    let parts = ["(", ")", ",", "[", "]", "::", ".", "="];
    let is_free = parts.contains(&left) || parts.contains(&right) || (left == "*" && right == "-");
    match rng.u8(..6) {
        0..=2 if is_free => String::new(),
        0 => format!(" {} ", COMMENTS[rng.usize(..COMMENTS.len())]),
        1 => "\n".to_owned(),
        2 => "\t \r\n".to_owned(),
        _ => " ".to_owned(),
    }
}

fn in_any_case(rng: &mut Rng, word: &str) -> String {
    if !word.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
        return word.to_owned();
    }
    match rng.u8(..3) {
        0 => word.to_ascii_uppercase(),
        1 => word.chars().map(|c| if rng.bool() { c.to_ascii_uppercase() } else { c }).collect(),
        _ => word.to_owned(),
    }
}

/// A text of this structure; each list in it has so many members.
fn text(rng: &mut Rng, structure: &str, length: usize) -> String {
    let mut pieces: Vec<String> = Vec::new();
    for word in structure.split_whitespace() {
        if word.starts_with('{') {
            let constant = constant(rng, word, length);
            match word {
                "{I}" | "{R}" | "{i}" => pieces.extend(split(&constant)),
                _ => pieces.push(constant),
            }
        } else {
            pieces.push(in_any_case(rng, word));
        }
    }
    let mut text = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        if at > 0 {
            text.push_str(&gap(rng, &pieces[at - 1], piece));
        }
        text.push_str(piece);
    }
    if rng.bool() {
        text.push_str(" ;");
    }
    text
}

/// The tokens of lists, at whose gaps a comment may stand; a string with blanks is left whole.
fn split(constant: &str) -> Vec<String> {
    match constant.contains(['\'', '$']) {
        true => vec![constant.to_owned()],
        false => constant.split_whitespace().map(str::to_owned).collect(),
    }
}

/// The server's query identifier.
async fn identifier(client: &Client, text: &str) -> String {
    let messages = client
        .simple_query(&format!("EXPLAIN (VERBOSE, COSTS OFF) {text}"))
        .await
        .unwrap_or_else(|error| panic!("{error:?} of {text:?}"));
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    let found = lines.filter_map(|line| line.strip_prefix("Query Identifier: ")).next_back();
    found.unwrap_or_else(|| panic!("no identifier of {text:?}")).to_owned()
}

#[tokio::test]
async fn and_the_servers_own_identifier_agrees() {
    let fresh = test_server::database().await.unwrap();
    let client = bare(&fresh.url()).await;
    client.batch_execute(SCHEMA).await.unwrap();
    let version =
        client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]).await.unwrap();
    let knows_lists = version.get::<_, i32>(0) >= 18;
    let cases = number("PLIMSOLL_CASES", 700);

    let (mut judged, mut judged_lists) = (0, 0);
    // The identifier and a text for each fingerprint.
    let mut known: HashMap<u64, (String, String)> = HashMap::new();
    for case in 0..cases {
        let rng = &mut Rng::with_seed(case);
        let structure = structure(rng);
        let [one, other] = [3, 3].map(|length| text(rng, &structure, length));
        let longer = text(rng, &structure, 4 + usize::try_from(case % 90).unwrap());
        let [ours, theirs, of_longer] =
            [&one, &other, &longer].map(|text| normalise(text, Some(Strings::Standard)));
        assert_eq!(ours, theirs, "case {case}: {one:?}\n{other:?}");
        assert_eq!(ours, of_longer, "case {case}: {one:?}\n{longer:?}");

        let id = identifier(&client, &one).await;
        assert_eq!(id, identifier(&client, &other).await, "the server, case {case}: {one:?}\n{other:?}");
        judged += 1;
        if knows_lists && structure.contains(['I', 'S']) {
            assert_eq!(
                id,
                identifier(&client, &longer).await,
                "the server, case {case}: {one:?}\n{longer:?}"
            );
            judged_lists += 1;
        }
        if let Some((known_id, known_text)) = known.insert(ours.fingerprint, (id.clone(), one.clone())) {
            assert_eq!(known_id, id, "the server tells apart, and we do not: {one:?}\n{known_text:?}");
        }
    }
    println!("{judged} pairs judged, {judged_lists} with lists of other lengths, {} structures", known.len());
    if cases >= 500 {
        assert!(known.len() > 300, "only {} structures: the texts prove little", known.len());
        assert!(!knows_lists || judged_lists > 50, "only {judged_lists} pairs had lists of other lengths");
    }
}

#[tokio::test]
async fn and_what_is_a_syllable_apart_for_the_server_is_apart_here() {
    let fresh = test_server::database().await.unwrap();
    let client = bare(&fresh.url()).await;
    client.batch_execute(SCHEMA).await.unwrap();
    for (one, other) in [
        ("select id from item", "select \"Name\" from item"),
        ("select id from item where id is null", "select id from item where id is not null"),
        ("select id from item where active is true", "select id from item where active is false"),
        (
            "select id from item where active is distinct from null",
            "select id from item where active is distinct from true",
        ),
        ("select id from item where id in (1)", "select id from item where id in (1, 2)"),
        ("select id from item where id in (1, 2)", "select id from item where id in (1, tags[1])"),
        ("select id from item where id in (1, 2)", "select id from item where id not in (1, 2)"),
        ("select coalesce(id, 1) from item", "select coalesce(id, 1, 2) from item"),
        ("select id - 1 from item", "select id + 1 from item"),
        ("select -id from item", "select id from item"),
        ("select 1, 2", "select 1"),
        ("select (-1)::text", "select -1::int"),
        ("select id as \"Id\", 1 as x from item", "select made as id, 1 as x from item"),
    ] {
        assert_ne!(identifier(&client, one).await, identifier(&client, other).await, "{one:?} {other:?}");
        let [ours, theirs] = [one, other].map(|text| normalise(text, Some(Strings::Standard)).fingerprint);
        assert_ne!(ours, theirs, "{one:?} {other:?}");
    }
}
