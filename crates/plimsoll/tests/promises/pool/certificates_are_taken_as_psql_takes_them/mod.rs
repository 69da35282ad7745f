//! What psql accepts is accepted and what it refuses is refused, in each `sslmode`, for some thirty certificates and lines of
//! `pg_hba.conf`; where it is otherwise, that is on purpose, and its reason is listed.
//!
//! The table of `docs/guides/tls.md` is written by this test (`PLIMSOLL_BLESS=1`).

mod made;

use made::{ADDRESS, Case, NAME};
use plimsoll::secret::Secret;
use plimsoll::{DirectConnection, Error, Settings};
use plimsoll_embedded::{Binaries, Cluster};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The columns: how each is headed, its `sslmode`, and whether a file of roots is named.
const MODES: [(&str, &str, bool); 6] = [
    ("`disable`", "disable", false),
    ("`prefer`", "prefer", false),
    ("`require`", "require", false),
    ("`require`, roots", "require", true),
    ("`verify-ca`", "verify-ca", true),
    ("`verify-full`", "verify-full", true),
];

/// Where Plimsoll is not as psql is: the row, the columns, and why.
const DEVIATIONS: [(&str, &[&str], &str); 7] = [
    (
        "X.509 v1 from the authority",
        &["`require`, roots", "`verify-ca`", "`verify-full`"],
        "Chains are verified by webpki alone, which reads X.509 v3 only. A certificate of v1 cannot say that it is no \
         authority's.",
    ),
    (
        "below an intermediate one that is the only root",
        &["`require`, roots", "`verify-ca`", "`verify-full`"],
        "Each certificate of the file is an anchor. OpenSSL wants the chain up to one that is self-signed, also where the file \
         trusts the intermediate one.",
    ),
    (
        "the address written as a name in `subjectAltName`",
        &["`verify-full`"],
        "An address is compared with addresses. libpq compares it with names as well.",
    ),
    (
        "a wildcard for a part of the address as common name",
        &["`verify-full`"],
        "A wildcard stands for a label of a name. libpq lets it stand for the beginning of an address too.",
    ),
    (
        "the name as common name alone, its authority constrained to that",
        &["`verify-full`"],
        "webpki holds the names of `subjectAltName` against what an authority is constrained to, and no common name; so none \
         counts below such an authority.",
    ),
    (
        "the name as common name alone, its authority constrained to others",
        &["`require`, roots", "`verify-ca`"],
        "The same: OpenSSL refuses such a chain, which for webpki has no name that could be wrong. These modes look at no \
         name, and `verify-full` refuses it.",
    ),
    (
        "TLS 1.2 at most, with CBC ciphers alone",
        &["`prefer`", "`require`", "`require`, roots", "`verify-ca`", "`verify-full`"],
        "rustls speaks authenticated ciphers alone (GCM, ChaCha20). Where no TLS comes about, `prefer` goes on in the clear.",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Encrypted,
    InTheClear,
    Refused,
}

impl Answer {
    fn word(self) -> &'static str {
        match self {
            Answer::Encrypted => "TLS",
            Answer::InTheClear => "clear",
            Answer::Refused => "refused",
        }
    }
}

const IS_ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// PostgreSQL's own psql, and not the wrapper that Debian puts before it, if there is one.
fn psql() -> PathBuf {
    let binaries = Binaries::find().unwrap();
    let of_debian = PathBuf::from(format!("/usr/lib/postgresql/{}/bin/psql", binaries.major()));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join("psql"));
    let mut known = [binaries.folder().join("psql"), of_debian].into_iter().chain(others);
    known.find(|path| path.exists()).expect("psql is installed beside the server")
}

fn of_psql(program: &Path, string: &str) -> Answer {
    let mut command = Command::new(program);
    command
        .args(["-X", "-w", "-A", "-t", "-c", IS_ENCRYPTED, string])
        .env_clear()
        .env("HOME", "/nonexistent");
    let output = command.env("PGCONNECT_TIMEOUT", "10").stdin(Stdio::null()).output().unwrap();
    match String::from_utf8(output.stdout).unwrap().trim() {
        "t" => Answer::Encrypted,
        "f" => Answer::InTheClear,
        _ => Answer::Refused,
    }
}

async fn of_ours(string: &str) -> (Answer, Option<Error>) {
    let given = Secret::from(string);
    let plan = Settings::from_libpq(Some(&given), |_| None).unwrap().check_direct().unwrap();
    match DirectConnection::connect(plan, Duration::from_secs(10)).await {
        Ok(connection) => match connection.client().query_one(IS_ENCRYPTED, &[]).await.unwrap().get(0) {
            true => (Answer::Encrypted, None),
            false => (Answer::InTheClear, None),
        },
        Err(error) => (Answer::Refused, Some(error)),
    }
}

/// Asks both in each mode. A refusal of a certificate says what to do.
async fn row(name: &str, host: &str, cluster: &Cluster, roots: &Path, advice: &str) -> Row {
    let mut cells = Vec::new();
    for (column, mode, has_roots) in MODES {
        let mut string = format!(
            "host={host} hostaddr={ADDRESS} port={} user={} password={} dbname=postgres sslmode={mode}",
            cluster.port(),
            cluster.superuser(),
            cluster.password()
        );
        if has_roots {
            write!(string, " sslrootcert={}", roots.display()).unwrap();
        }
        let psql = of_psql(&psql(), &string);
        let (ours, error) = of_ours(&string).await;
        if mode == "verify-full" {
            let said = error.map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(ours == Answer::Refused, !advice.is_empty(), "{name}: {said}");
            for part in [advice, if advice.is_empty() { "" } else { "sslmode" }] {
                assert!(said.contains(part), "{name}: {part:?} is missing: {said}");
            }
        }
        cells.push((column, psql, ours));
    }
    Row { name: name.to_owned(), cells }
}

struct Row {
    name: String,
    cells: Vec<(&'static str, Answer, Answer)>,
}

/// A server, its files, and the certificate that it bears at the moment.
struct Server {
    cluster: Cluster,
    roots: tempfile::NamedTempFile,
}

impl Server {
    async fn bearing(case: &Case) -> Self {
        let cluster = Cluster::builder().tls(&case.chain, &case.key).start().await.unwrap();
        Server { cluster, roots: tempfile::NamedTempFile::new().unwrap() }
    }

    async fn first(&self, sql: &str) -> String {
        let rows = self.cluster.execute("postgres", sql).await.unwrap();
        rows[0].values().next().unwrap().clone()
    }

    /// Puts another certificate in the place of the last, and waits until new sessions see it.
    async fn bear(&self, case: &Case) {
        for (setting, text) in [("ssl_cert_file", &case.chain), ("ssl_key_file", &case.key)] {
            std::fs::write(self.first(&format!("SHOW {setting}")).await, text).unwrap();
        }
        let loaded = "SELECT pg_conf_load_time()";
        let before = self.first(loaded).await;
        self.cluster.reload().await.unwrap();
        crate::server::until("the certificate is read", crate::server::PATIENCE, async || {
            self.first(loaded).await != before
        })
        .await;
        std::fs::write(self.roots.path(), &case.roots).unwrap();
    }
}

async fn rows_of(cases: Vec<Case>) -> Vec<Row> {
    let server = Server::bearing(&cases[0]).await;
    let mut rows = Vec::new();
    for case in cases {
        server.bear(&case).await;
        rows.push(row(case.name, case.host, &server.cluster, server.roots.path(), case.advice).await);
    }
    rows
}

/// Servers of one kind each: what they are called, what they bear, and what a refusal under verify-full says.
async fn rows_of_servers() -> Vec<Row> {
    let good = made::by_name().remove(0);
    let version_1 = made::by_chain().into_iter().find(|case| case.name.starts_with("X.509 v1")).unwrap();
    let plain = Cluster::builder();
    let of = |case: &Case| Cluster::builder().tls(&case.chain, &case.key);
    let reject = |line: &str| of(&good).hba(format!("{line} all all 127.0.0.1/32 reject"));
    let old = of(&version_1).setting("ssl_max_protocol_version", "TLSv1.2");
    let cbc = of(&good)
        .setting("ssl_max_protocol_version", "TLSv1.2")
        .setting("ssl_ciphers", "ECDHE-ECDSA-AES128-SHA256");
    let roots = tempfile::NamedTempFile::new().unwrap();
    let mut rows = Vec::new();
    for (name, builder, authority, advice) in [
        ("`hostnossl … reject`: encrypted or not at all", reject("hostnossl"), &good.roots, ""),
        (
            "`hostssl … reject`: in the clear or not at all",
            reject("hostssl"),
            &good.roots,
            "a line of pg_hba.conf",
        ),
        ("no TLS", plain, &good.roots, "does not offer TLS"),
        ("TLS 1.2 at most, X.509 v1, itself the root", old, &version_1.roots, ""),
        ("TLS 1.2 at most, with CBC ciphers alone", cbc, &good.roots, "a cipher of today"),
    ] {
        let cluster = builder.start().await.unwrap();
        std::fs::write(roots.path(), authority).unwrap();
        rows.push(row(name, NAME, &cluster, roots.path(), advice).await);
    }
    rows
}

fn deviates(row: &str, column: &str) -> Option<usize> {
    DEVIATIONS.iter().position(|(name, columns, _)| *name == row && columns.contains(&column))
}

fn table(groups: &[(&str, Vec<Row>)]) -> String {
    let mut text = String::new();
    for (heading, rows) in groups {
        let columns: Vec<&str> = MODES.iter().map(|(column, _, _)| *column).collect();
        writeln!(text, "### {heading}\n\n| The server's | {} |", columns.join(" | ")).unwrap();
        writeln!(text, "|---|{}", "---|".repeat(MODES.len())).unwrap();
        for row in rows {
            let cells = row.cells.iter().map(|(column, psql, ours)| match deviates(&row.name, column) {
                Some(note) => format!("{}, psql: {} ({})", ours.word(), psql.word(), note + 1),
                None => ours.word().to_owned(),
            });
            writeln!(text, "| {} | {} |", row.name, cells.collect::<Vec<_>>().join(" | ")).unwrap();
        }
        text.push('\n');
    }
    for (number, (_, _, reason)) in DEVIATIONS.iter().enumerate() {
        writeln!(text, "{}. {reason}", number + 1).unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_taken_as_psql_takes_them() {
    let (names, chains, uses, servers) = tokio::join!(
        rows_of(made::by_name()),
        rows_of(made::by_chain()),
        rows_of(made::by_use()),
        rows_of_servers()
    );
    let groups = [
        ("Names of its certificate", names),
        ("Issuer of its certificate", chains),
        ("Time and purpose of its certificate", uses),
        ("Way of taking connections", servers),
    ];
    let mut wrong = Vec::new();
    for row in groups.iter().flat_map(|(_, rows)| rows) {
        for (column, psql, ours) in &row.cells {
            if (psql != ours) != deviates(&row.name, column).is_some() {
                wrong.push(format!("{}, {column}: psql {psql:?}, here {ours:?}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_on_the_page(&table(&groups));
}

/// The page has the table between two marks.
fn is_on_the_page(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/tls.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- The table is written by a test. -->\n\n", "\n<!-- End of the table. -->");
    let (head, rest) = page.split_once(begin).expect("the mark before the table");
    let (kept, tail) = rest.split_once(end).expect("the mark after the table");
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
    } else {
        assert!(
            kept == table,
            "docs/guides/tls.md is out of date: run this test with PLIMSOLL_BLESS=1\n{table}"
        );
    }
}
