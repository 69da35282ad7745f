//! What psql is told by its string, a service, the variables `PG..` and libpq's defaults is told here by the same, and the same
//! one of them wins.

use super::where_to;
use plimsoll::secret::Secret;
use plimsoll::settings::{Plan, Settings, TlsMode, TlsRoots};
use std::path::Path;
use std::time::Duration;

/// Reads a string and these variables, with no other home than a folder that is empty.
fn read(given: Option<&str>, variables: &[(&str, &str)]) -> Result<Plan, String> {
    let variable = |name: &str| {
        let said = variables.iter().find(|(known, _)| *known == name);
        said.map(|(_, value)| (*value).to_owned())
            .or_else(|| (name == "HOME").then(|| "/nonexistent".to_owned()))
    };
    let given = given.map(Secret::from);
    let settings = Settings::from_libpq(given.as_ref(), variable).map_err(|error| error.to_string())?;
    settings.check_direct().map_err(|error| error.to_string())
}

fn place(given: Option<&str>, variables: &[(&str, &str)]) -> (Vec<String>, String, String, Option<String>) {
    where_to(&read(given, variables).unwrap())
}

fn services(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn the_string_wins_then_the_service_then_the_variables() {
    let file = services(
        "[orders]\nhost=db-service\nport=5433\nuser=service_user\ndbname=service_db\nclient_encoding=UTF8\n",
    );
    let path = file.path().to_str().unwrap();
    let variables = [
        ("PGSERVICEFILE", path),
        ("PGHOST", "db-variable"),
        ("PGPORT", "5434"),
        ("PGUSER", "variable_user"),
        ("PGPASSWORD", "variable_password"),
        ("PGAPPNAME", "by hand"),
    ];
    let (hosts, dbname, user, password) = place(Some("host=db-string service=orders"), &variables);
    assert_eq!(hosts, ["db-string:5433"], "each parameter by itself");
    assert_eq!((dbname.as_str(), user.as_str()), ("service_db", "service_user"));
    assert_eq!(password.as_deref(), Some("variable_password"));
    let named = [&variables[..], &[("PGSERVICE", "orders")]].concat();
    assert_eq!(
        place(Some("postgres://db-string"), &named),
        place(Some("host=db-string service=orders"), &variables)
    );
    assert_eq!(place(None, &named).0, ["db-service:5433"]);
    let (hosts, dbname, user, _) = place(None, &variables);
    assert_eq!(
        (hosts, dbname.as_str(), user.as_str()),
        (vec!["db-variable:5434".to_owned()], "variable_user", "variable_user")
    );
    assert_eq!(read(None, &variables).unwrap().application_name(), "by hand");
}

#[test]
fn a_string_of_the_library_may_name_a_service_and_a_password_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let missing =
        Settings::from_url("service=no_such_service_here host=db1 user=app").unwrap_err().to_string();
    assert!(missing.contains("no_such_service_here") && missing.contains("pg_service.conf"), "{missing}");
    let passfile = folder.path().join("passwords");
    let url = format!("postgres://app@db1/orders?passfile={}", passfile.display());
    let plan = Settings::from_url(url).unwrap().check().unwrap();
    assert_eq!(plan.passfile(), Some(passfile.as_path()));
    assert_eq!(Settings::from_url("postgres://app@db1").unwrap().check().unwrap().passfile(), None);
}

#[test]
fn an_address_is_dialled_and_the_name_is_kept() {
    let plan = read(Some("host=db1,db2 hostaddr=10.0.0.7, port=5433 user=app"), &[]).unwrap();
    let dialled: Vec<_> = plan.hosts().iter().map(|host| host.dialled()).collect();
    assert_eq!(dialled, [Some("10.0.0.7".parse().unwrap()), None]);
    assert_eq!(where_to(&plan).0, ["db1:5433", "db2:5433"]);
    assert_eq!(where_to(&read(Some("hostaddr=::1 user=app"), &[]).unwrap()).0, ["[::1]:5432"]);
    let far = read(Some("host=localhost hostaddr=10.0.0.7 user=app"), &[]).unwrap();
    assert_eq!(far.tls(), TlsMode::VerifyFull, "what is dialled is not this machine");
    for wrong in ["host=a,b hostaddr=10.0.0.7 user=app", "host=a hostaddr=somewhere user=app"] {
        let error = read(Some(wrong), &[]).unwrap_err();
        assert!(error.contains("hostaddr"), "{error}");
    }
}

#[test]
fn what_nobody_says_is_libpqs_default_but_for_encryption() {
    let plan = read(None, &[]).unwrap();
    let (hosts, dbname, user, password) = where_to(&plan);
    assert!(
        hosts[0] == "/var/run/postgresql:5432"
            || hosts[0] == "/run/postgresql:5432"
            || hosts[0] == "/tmp:5432"
    );
    assert!(!user.is_empty() && dbname == user && password.is_none());
    assert_eq!(plan.passfile(), Some(Path::new("/nonexistent/.pgpass")));
    assert_eq!(read(None, &[("PGPASSFILE", "/p")]).unwrap().passfile(), Some(Path::new("/p")));
    assert_eq!(
        where_to(&read(None, &[("PGPORT", "6000")]).unwrap()).0[0].rsplit_once(':').unwrap().1,
        "6000"
    );
    assert_eq!(read(None, &[("PGHOST", "db1")]).unwrap().tls(), TlsMode::VerifyFull);
    assert_eq!(read(None, &[("PGHOST", "db1"), ("PGSSLMODE", "require")]).unwrap().tls(), TlsMode::Require);
    assert_eq!(
        where_to(&read(Some("orders"), &[("PGUSER", "app")]).unwrap()).1,
        "orders",
        "a database alone"
    );
}

#[test]
fn the_users_own_authorities_are_used_where_a_certificate_is_verified() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".postgresql")).unwrap();
    let roots = home.path().join(".postgresql/root.crt");
    std::fs::write(&roots, "").unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    let far = read(Some("postgres://app@db1"), &[home]).unwrap();
    assert_eq!(far.tls_roots(), &TlsRoots::File(roots));
    let here = read(Some("postgres://app@localhost"), &[home]).unwrap();
    assert_eq!((here.tls(), here.tls_roots()), (TlsMode::Prefer, &TlsRoots::System));
    let required = read(Some("postgres://app@db1?sslmode=require"), &[home]).unwrap();
    assert_eq!((required.tls(), required.tls_roots()), (TlsMode::Require, far.tls_roots()));
    // These connect where the certificate does not verify, so the file counts for nothing, and is no mistake.
    for mode in ["prefer", "disable"] {
        let plan = read(Some(&format!("postgres://app@db1?sslmode={mode}")), &[home]).unwrap();
        assert_eq!((plan.tls().as_str(), plan.tls_roots()), (mode, &TlsRoots::System));
    }
}

#[test]
fn a_database_url_counts_where_no_variable_says_where() {
    let url = ("DATABASE_URL", "postgres://app@db1/orders");
    assert_eq!(place(None, &[url]).0, ["db1:5432"]);
    let with_password = place(None, &[url, ("PGPASSWORD", "hunter2")]);
    assert_eq!((with_password.0, with_password.3.as_deref()), (vec!["db1:5432".to_owned()], Some("hunter2")));
    assert_eq!(place(None, &[url, ("PGHOST", "db2"), ("PGUSER", "app")]).0, ["db2:5432"]);
    assert_eq!(place(None, &[url, ("PGHOST", "")]).0, ["db1:5432"], "an empty variable says nothing");
    assert_eq!(place(Some("postgres://app@db3"), &[url]).0, ["db3:5432"]);
}

#[test]
fn startup_options_are_taken_as_they_are_and_refused_for_a_pool() {
    let options = [("PGHOST", "localhost"), ("PGUSER", "app"), ("PGOPTIONS", "-c statement_timeout=0")];
    assert_eq!(read(None, &options).unwrap().options(), "-c statement_timeout=0");
    let settings = Settings::from_libpq(None, |name| {
        options.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    });
    let error = settings.unwrap().check().unwrap_err().to_string();
    assert!(error.contains("options") && error.contains("statement_timeout"), "{error}");
    let unlimited = read(None, &[("PGHOST", "localhost"), ("PGCONNECT_TIMEOUT", "0")]).unwrap();
    assert_eq!(unlimited.connect_timeout(), Duration::from_secs(10), "there always is a limit here");
    let limited = read(None, &[("PGHOST", "localhost"), ("PGCONNECT_TIMEOUT", "3")]).unwrap();
    assert_eq!(limited.connect_timeout(), Duration::from_secs(3));
}

#[test]
fn what_would_make_the_connection_another_one_is_refused_and_no_value_is_printed() {
    let file = services("[orders]\nhost=db1\npasword=hunter2\n[broken]\nhost db1 hunter2\n");
    let path = ("PGSERVICEFILE", file.path().to_str().unwrap());
    for (variables, parts) in [
        (vec![("PGSSLCERT", "/hunter2")], vec!["PGSSLCERT", "leave it out"]),
        (vec![("PGREQUIREAUTH", "hunter2")], vec!["PGREQUIREAUTH"]),
        (vec![("PGPORT", "hunter2")], vec!["the port of host 1"]),
        (vec![("PGSSLMODE", "requre")], vec!["PGSSLMODE", "did you mean require?"]),
        (vec![path, ("PGSERVICE", "orders")], vec!["line 3", "did you mean password?"]),
        (vec![path, ("PGSERVICE", "broken")], vec!["line 5", "put that line right"]),
        (
            vec![path, ("PGSERVICE", "none"), ("PGSYSCONFDIR", "/nonexistent")],
            vec!["service is \"none\"", "/nonexistent/pg_service.conf"],
        ),
    ] {
        let error = read(None, &variables).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    }
}
