//! SQL is taken apart as the server takes it apart: thousands of texts made of the pieces that are easily misread are
//! run by a real server, and what it found in them (how many statements, which values, which names) is what the lexer
//! finds.
//!
//! `PLIMSOLL_SEED` plays one seed again, `PLIMSOLL_CASES` says how many texts.

use crate::server::{bare, number};
use crate::sql::lexer::{Lexer, Token};
use crate::sql::literal::Style;
use crate::sql::statements::statements;
use crate::sql::{self, Strings};
use fastrand::Rng;
use plimsoll_embedded::test_server;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Draws one of these.
fn one<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

/// What is easily taken for something else.
const PIECES: &[&str] = &[
    "'",
    "''",
    "\"",
    "\"\"",
    "$",
    "$$",
    "$a$",
    "$A$",
    "$é$",
    "$1",
    "a$b$",
    "--",
    "\n",
    "\r",
    "/*",
    "*/",
    "/",
    "*",
    ";",
    "\\",
    "\\'",
    "\\\\",
    "E'",
    "e",
    "U&'",
    "U&\"",
    "u&",
    " uescape ",
    "UESCAPE'!'",
    "N'",
    "B'1'",
    "x'1f'",
    "SELECT",
    " select 1 ",
    "1",
    "1e",
    "1e5",
    ".5",
    "1.",
    "..",
    "+",
    "-",
    "<",
    "@",
    "a",
    "b",
    "_",
    "é",
    "\\0061",
    "!0062",
    " ",
    "\t",
    "\u{c}",
    ",",
    "(",
    ")",
    "'\n'",
    "' --\n'",
    "'\r'",
    "' '",
];

fn soup(rng: &mut Rng, most: usize) -> String {
    (0..rng.usize(..=most)).map(|_| one(rng, PIECES)).collect()
}

/// White space and comments of all sorts; `breaks` asks for a line break and for no block comment.
fn space(rng: &mut Rng, breaks: bool) -> String {
    let soup = soup(rng, 3);
    let line = soup.replace(['\n', '\r'], " ");
    let newline = one(rng, &["\n", "\r", "\r\n"]);
    match rng.u8(..8) {
        0 | 1 => newline.to_owned(),
        2 => format!(" -- {line}{newline}"),
        3 => format!("{newline}\t--{line}{newline} --{newline}"),
        4 if breaks => format!("\u{c}{newline}{newline}"),
        _ if breaks => newline.to_owned(),
        4 => format!("/*{}*/", soup.replace("*/", "").replace("/*", "")),
        5 => format!("/* /*{}*/ ; */", soup.replace("*/", "").replace("/*", "")),
        6 => "/***//*/**/*/".to_owned(),
        _ => one(rng, &[" ", "\t", "\u{c}", "  "]).to_owned(),
    }
}

fn identifier(rng: &mut Rng) -> String {
    match rng.u8(..7) {
        0 => one(rng, &["a", "MiXed", "é", "_x1", "a$b$", "b$$", "e", "u", "x"]).to_owned(),
        1 | 2 => format!("\"{}n\"", soup(rng, 3).replace('"', "\"\"")),
        3 => r#"U&"d\0061t\+000061\\ ""q""""#.to_owned(),
        4 => format!(
            "u&\"d!0061!!x\"{}UESCAPE{}{}",
            space(rng, false),
            space(rng, false),
            one(rng, &["'!'", "E'\\041'", "$$!$$"])
        ),
        5 => r#"U&"\D83D\DE00""#.to_owned(),
        _ => "\"set_config\"".to_owned(),
    }
}

fn string(rng: &mut Rng) -> String {
    let inside = soup(rng, 5);
    let doubled = inside.replace('\'', "''");
    match rng.u8(..12) {
        0..=2 => format!("'{doubled}'"),
        3 => format!("'{doubled}'{}'{}'", space(rng, true), soup(rng, 3).replace('\'', "''")),
        4 => format!("E'{}'", doubled.replace('\\', "\\\\")),
        5 => format!(r"e'\'{}\\'{}'\'\n\x41\101\u00e9'", doubled.replace('\\', r"\b"), space(rng, true)),
        6 => format!("N'{doubled}'"),
        7 => r"U&'d\0061t\+01F600''\\'".to_owned(),
        8 => format!(
            "U&'!0061''x'{}'!0062'{}uescape{}'!'",
            space(rng, true),
            space(rng, false),
            space(rng, false)
        ),
        9 => format!("b'01'{}'1'", space(rng, true)),
        10 => {
            let tag = one(rng, &["$$", "$a$", "$é1_$", "$_$"]);
            format!("{tag}{}{tag}", inside.replace(tag, ""))
        }
        _ => format!("${inside}$x$ $x${inside}"),
    }
}

fn item(rng: &mut Rng) -> String {
    let value = match rng.u8(..10) {
        0 => one(rng, &["1", "1.5e3", ".5", "1.", "1e-2"]).to_owned(),
        1 => format!("1 {}{} 2", one(rng, &["+", "-", "*", "*-", "+-", "<", "="]), space(rng, false)),
        2 => format!("({})", string(rng)),
        _ => string(rng),
    };
    match rng.u8(..3) {
        0 => format!("{value}{}", space(rng, false)),
        1 => format!("{value}{}as{}{}", space(rng, false), space(rng, false), identifier(rng)),
        _ => format!("{value} AS {}", identifier(rng)),
    }
}

/// Statements that the server will take, unless something was changed in them.
fn text(rng: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..rng.usize(1..4) {
        text.push_str(&space(rng, false));
        text.push_str(one(rng, &["SELECT ", "select", "sElEcT\n"]));
        for number in 0..rng.usize(1..4) {
            text.push_str(if number > 0 { "," } else { " " });
            text.push_str(&item(rng));
        }
        text.push_str(&space(rng, false));
        text.push_str(one(rng, &[";", ";;", " ; "]));
    }
    for _ in 0..rng.usize(..3) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let at = places[rng.usize(..places.len())];
        if rng.bool() {
            text.insert_str(at, one(rng, PIECES));
        } else {
            text.remove(at);
        }
    }
    text
}

/// One column of one statement: its name and its value.
type Column = (Option<String>, Option<String>);

/// What the server found, statement by statement; nothing if it refused the text.
async fn asked(client: &Client, text: &str) -> Option<Vec<Vec<(String, String)>>> {
    let messages = client.simple_query(text).await.ok()?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |row: &tokio_postgres::SimpleQueryRow, at: usize| {
        (row.columns()[at].name().to_owned(), row.get(at).unwrap_or_default().to_owned())
    };
    Some(rows.map(|row| (0..row.len()).map(|at| column(row, at)).collect()).collect())
}

fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the server has taken it")
}

/// What the lexer finds, as far as that is told by tokens alone.
fn read(text: &str, strings: Strings) -> Vec<Vec<Column>> {
    let columns = |tokens: Lexer<'_>| {
        let tokens: Vec<_> = tokens.skip(1).collect();
        tokens.split(|token| *token == Token::Comma).map(column).collect()
    };
    statements(text.as_bytes(), strings).map(|statement| columns(statement.tokens())).collect()
}

fn column(tokens: &[Token<'_>]) -> Column {
    let (value, name) = match tokens {
        [value @ .., name] if value.len() > 1 && value.last().is_some_and(|token| token.is("as")) => {
            (&value[..value.len() - 1], name.name())
        }
        [value @ .., name @ Token::Quoted(_)] if !value.is_empty() => (value, name.name()),
        _ => (tokens, None),
    };
    let value = match value {
        [Token::Text(text)] | [Token::Open, Token::Text(text), Token::Close] => {
            (text.style != Style::Bits).then(|| utf8(&text.value()))
        }
        _ => None,
    };
    (name.map(|name| utf8(&name)), value)
}

/// Plays so many texts and says how many the server took, and how many values and names were compared.
async fn play(client: &Client, strings: Strings, seed: u64, cases: u64) -> (u64, u64) {
    let (mut taken, mut compared) = (0, 0);
    for case in seed..seed + cases {
        let text = text(&mut Rng::with_seed(case));
        let Some(theirs) = asked(client, &text).await else { continue };
        let ours = read(&text, strings);
        let about =
            || format!("PLIMSOLL_SEED={case}, {strings:?}: {text:?}\nserver {theirs:?}\nlexer {ours:?}");
        taken += 1;
        assert_eq!(ours.len(), theirs.len(), "statements; {}", about());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours.len(), theirs.len(), "columns; {}", about());
            for ((name, value), (their_name, their_value)) in ours.iter().zip(theirs) {
                assert!(name.as_ref().is_none_or(|name| name == their_name), "a name; {}", about());
                assert!(value.as_ref().is_none_or(|value| value == their_value), "a value; {}", about());
                compared += u64::from(name.is_some()) + u64::from(value.is_some());
            }
        }
    }
    (taken, compared)
}

#[tokio::test]
async fn of_thousands_of_texts_it_finds_what_the_server_finds() {
    let fresh = test_server::database().await.unwrap();
    let client = bare(&fresh.url()).await;
    let cases = number("PLIMSOLL_CASES", 6_000);
    for (strings, setting) in [(Strings::Standard, "on"), (Strings::Escaped, "off")] {
        let set = format!(
            "set standard_conforming_strings = {setting}; set escape_string_warning = off; set client_min_messages = error"
        );
        client.batch_execute(&set).await.unwrap();
        let (cases, seed) = match std::env::var("PLIMSOLL_SEED") {
            Ok(_) => (1, number("PLIMSOLL_SEED", 0)),
            Err(_) => (cases, 0),
        };
        let (taken, compared) = play(&client, strings, seed, cases).await;
        println!(
            "standard_conforming_strings {setting}: {taken} of {cases} texts taken, {compared} values and names"
        );
        if cases >= 1_000 {
            assert!(taken > cases / 6, "the server took only {taken} of {cases}: the texts prove little");
            assert!(compared > cases / 2, "only {compared} values and names were compared");
        }
    }
}

#[tokio::test]
async fn what_is_known_to_be_misread_is_read_right() {
    let fresh = test_server::database().await.unwrap();
    let client = bare(&fresh.url()).await;
    for (text, statements) in [
        ("-- a comment\rselect 1", 1),
        ("-- a comment\r\nselect 1; -- x\rselect 2", 2),
        ("select 'a'\n'b;'; select 1", 2),
        ("select 'a' -- it's\n 'b'; select 1", 2),
        ("select E'a'\n'\\';'; select 1", 2),
        ("select $é$ ; $é$; select 1", 2),
        ("select 1 as a$b$; select 2 as a$b$", 2),
        ("select 1 +/* ; */ 2; select 1 *-- ;\n 2", 2),
        ("select 1 /* /* ; */ ; */; select 2", 2),
        ("select U&'!0061;' uescape '!'; select 1", 2),
        ("select 1 as U&\"a!003b;\" uescape '!'; select 1", 2),
        ("select '\\'; select '1'", 2),
        ("select b'1'\n'0'; select N'\\'; select 1", 3),
        ("select 1.; select .5; select 1.5e3", 3),
    ] {
        let theirs = asked(&client, text).await.unwrap_or_else(|| panic!("refused: {text:?}"));
        assert_eq!(theirs.len(), statements, "the server, of {text:?}");
        assert_eq!(read(text, Strings::Standard).len(), statements, "{text:?}");
    }
}

#[test]
fn no_text_takes_longer_than_its_length() {
    let shapes = [
        "$a$b$c",
        "/*/*/*",
        "'''''",
        "$",
        "$a",
        "a$",
        "'\n",
        "' --\n",
        "\"",
        "U&\"a\" uescape ",
        "U&'a'\n",
        "=/**/",
        "=--",
        "+-",
        "/**/",
        "e'\\",
        "1e",
        "1_0",
        ".",
        "\\",
        "set_config(",
        "pg_temp",
        "create temp ",
        "(",
        "begin atomic case ",
    ];
    let time = |text: &[u8]| {
        let began = Instant::now();
        for strings in [Strings::Standard, Strings::Escaped] {
            let tokens = Lexer::new(text, strings).count();
            assert!(tokens <= text.len());
            assert!(statements(text, strings).count() <= text.len());
        }
        let _ = sql::residue::of_sql(text, None);
        began.elapsed()
    };
    for shape in shapes {
        for before in ["", "$a$", "'", "create function "] {
            let text = format!("{before}{}", shape.repeat(250_000 / shape.len()));
            let took = time(text.as_bytes());
            assert!(took < Duration::from_secs(2), "{before:?} and then {shape:?}: {took:?}");
        }
    }
}
