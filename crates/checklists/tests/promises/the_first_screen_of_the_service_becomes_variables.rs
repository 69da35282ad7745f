//! What a person would copy from the service's first screen, or read from its `.env.fleet`, is what commands are handed.

use checklists::service::{of_env_file, of_first_screen};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn of_the_screen() {
    let screen = "fleet listens on http://127.0.0.1:40001
fleet is ready

  Tenant test, made for the first hour:
    provisioning key  key-1
    access token      test.token-2

    export DATABASE_URL='postgresql://fleet_app:a=b@127.0.0.1:40002/fleet'
    psql \"$DATABASE_URL\" -c 'TABLE telemetry'";
    let lines: Vec<String> = screen.lines().map(str::to_owned).collect();
    let expected = pairs(&[
        ("FLEET_URL", "http://127.0.0.1:40001"),
        ("DEVICE_KEY", "key-1"),
        ("TENANT_TOKEN", "test.token-2"),
        ("DATABASE_URL", "postgresql://fleet_app:a=b@127.0.0.1:40002/fleet"),
    ]);
    assert_eq!(of_first_screen(&lines), expected);
}

#[test]
fn of_the_file() {
    let text = "# made by make run\nOPERATOR_TOKEN=abc\nexport DATABASE_URL=\"postgresql://a@b/c?options=-c%20x%3Dy\"\n\nKEY='d e'\n";
    let expected = pairs(&[
        ("OPERATOR_TOKEN", "abc"),
        ("DATABASE_URL", "postgresql://a@b/c?options=-c%20x%3Dy"),
        ("KEY", "d e"),
    ]);
    assert_eq!(of_env_file(text), expected);
}
