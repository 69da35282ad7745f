//! Wherever a secret stands, well formed or not, and however settings are printed: it is not in the text.

use plimsoll::secret::{Password, Secret};
use plimsoll::settings::{Settings, SettingsError};
use proptest::prelude::*;

const SECRET: &str = "hunter2";

fn all_texts(result: &Result<Settings, SettingsError>) -> String {
    match result {
        Err(error) => format!("{error} {error:?} {error:#?} {:?}", error.problems()),
        Ok(settings) => {
            let checked = settings.clone().check();
            let checked = match &checked {
                Ok(plan) => format!("{plan:?} {plan:#?}"),
                Err(error) => format!("{error} {error:?}"),
            };
            format!("{settings:?} {settings:#?} {checked}")
        }
    }
}

fn assert_silent(result: &Result<Settings, SettingsError>, source: &str) {
    let shown = all_texts(result);
    assert!(!shown.contains(SECRET), "{source}: {shown}");
}

#[test]
fn a_secret_prints_as_stars() {
    let secret = Secret::from(SECRET);
    assert_eq!(format!("{secret} {secret:?} {secret:#?}"), "*** *** ***");
    let password = Password::from(SECRET);
    assert!(!format!("{password:?}").contains(SECRET));
    let read: Secret = serde_json::from_str("\"hunter2\"").unwrap();
    assert_eq!(read, secret);
}

#[test]
fn not_from_a_connection_string_that_is_right_or_wrong() {
    for url in [
        "postgres://app:hunter2@db1/orders",
        "postgres://app:hunter2@db1:x/orders",
        "postgres://app:hunter2@db1/orders?nonsense=hunter2",
        "postgres://app:hunter2",
        "postgres://app:hunter2%@db1",
        "postgres://app:a/hunter2@db1/orders",
        "postgres://app:a?hunter2=b@db1/orders",
        "postgres://app:a#hunter2@db1/orders",
        "postgres://app:x@a/hunter2@db1/orders",
        "postgres://app:x@a?hunter2=1&b@db1/orders",
        "postgres://app:hunter2 @db1/orders",
        "mysql://app:hunter2@db1/orders",
        "://app:hunter2@db1/orders",
        "app:hunter2@db1/orders",
        "host=db1 user=app password=hunter2",
        "host=db1 user=app password='hunter2",
        "host=db1 user=app password=my hunter2",
        "host=db1 user=app password=my hunter2=x",
        "host=db1 user=app passwd=hunter2",
        "host=db1 user=app password='a'hunter2",
        "password hunter2",
        "hunter2",
    ] {
        assert_silent(&Settings::from_url(url), url);
        assert_silent(&Ok(Settings::default().url(url)), url);
        let variables = [("DATABASE_URL".to_owned(), url.to_owned())];
        assert_silent(&Settings::from_vars(variables), url);
        let toml = format!("url = '''{url}'''\npool_max = 0\n");
        assert_silent(&Settings::from_toml(&toml), url);
    }
}

#[test]
fn not_from_variables_even_where_their_name_is_misspelt() {
    for (key, value) in [
        ("PG_PASS", "hunter2\0"),
        ("POSTGRES_PASSWORD", "hunter2"),
        ("PLIMSOLL_PASSWORD", "hunter2"),
        ("PLIMSOLL_PASWORD", "hunter2"),
        ("PLIMSOLL_SECRET_OF_MINE", "hunter2"),
        ("PLIMSOLL_HOSTS", "postgres://app:hunter2@db1/orders"),
        ("PLIMSOLL_HOSTS", "app:hunter2@db1"),
        ("PLIMSOLL_HOSTS", "host=db1 password=hunter2"),
        ("PLIMSOLL_PORT", "password=hunter2"),
        ("PG_HOST", "postgres://app:hunter2@db1/orders"),
        ("USE_PGBOUNCER", "postgres://app:hunter2@db1/orders"),
        ("DATABASE_POOL_TIMEOUT", "postgres://app:hunter2@db1/orders"),
    ] {
        assert_silent(&Settings::from_vars([(key.to_owned(), value.to_owned())]), key);
    }
}

#[test]
fn not_from_a_file_that_cannot_be_read() {
    for text in [
        "password = 'hunter2'\npool_max = 0\n",
        "password = 'hunter2\n",
        "password = hunter2\n",
        "password = \"hunter2\" pool_max = 3\n",
        "pasword = 'hunter2'\n",
        "password = ['hunter2', {}]\n",
        "[plimsoll]\npassword = 'hunter2'\nurl = 'postgres://a:hunter2@b:c/d'\n",
        "[plimsoll\npassword = 'hunter2'\n",
        "password = { text = 'hunter2' }\n",
        "application_name = \"password is hunter2\\u0000\"\n",
    ] {
        assert_silent(&Settings::from_toml(text), text);
        if let Ok(settings) = toml::from_str::<Settings>(text) {
            assert_silent(&Ok(settings), text);
        }
    }
}

#[test]
fn nor_from_json_that_cannot_be_read() {
    for text in [
        r#"{"password": "hunter2", "pool_max": 0}"#,
        r#"{"password": "hunter2}"#,
        r#"{"password": hunter2}"#,
        r#"{"password": "hunter2" "pool_max": 3}"#,
        r#"{"pasword": "hunter2"}"#,
        r#"{"password": ["hunter2", {}]}"#,
        r#"{"password": "a", "password": "hunter2"}"#,
        r#"{"plimsoll": {"password": "hunter2", "url": "postgres://a:hunter2@b:c/d"}}"#,
        r#"{"password": "hunter2\ud800"}"#,
        r#""postgres://app:hunter2@db1/orders""#,
    ] {
        assert_silent(&Settings::from_json(text), text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever else is in the password, unencoded as people paste it.
    #[test]
    fn not_whatever_stands_around_it_in_a_url(before in "[ -~]{0,6}", after in "[ -~]{0,6}", rest in "[ -~]{0,12}") {
        for url in [
            format!("postgres://app:{before}hunter2{after}@db1{rest}"),
            format!("host=db1 password='{before}hunter2{after}' {rest}"),
        ] {
            // A quote ends the value, and a second password= in what follows would be another one.
            if url.starts_with("host") && (before.contains(['\'', '\\']) || after.contains(['\'', '\\'])) {
                continue;
            }
            assert_silent(&Settings::from_url(url.as_str()), &url);
        }
    }
}
