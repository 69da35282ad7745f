//! `.env.fleet`: what a shell needs to talk to the service that was just started, and to its database.
//!
//! ```text
//! set -a; . ./.env.fleet; set +a
//! curl -H "Authorization: Bearer $TENANT_TOKEN" "$FLEET_URL/api/v1/customer/devices"
//! psql "$DATABASE_URL" -c 'select count(*) from telemetry'
//! ```
//!
//! The database's URL logs in as the service's own role, under row-level security, and names the tenant in its options:
//! without a tenant every table would look empty.

use crate::boot::demo::{Credentials, TENANT};
use crate::boot::private_file;
use crate::identity::development::Tokens;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

/// Writes the file, for its owner's eyes only.
///
/// # Errors
/// As any writing.
pub fn write(
    path: &Path,
    service: &str,
    database: Option<&str>,
    broker: Option<&str>,
    credentials: &Credentials,
    tokens: Option<&Tokens>,
) -> io::Result<()> {
    private_file::write(path, &text(service, database, broker, credentials, tokens))
}

/// Reads what [`write()`] has written: the values by their names.
///
/// # Errors
/// As any reading.
pub fn read(path: &Path) -> io::Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path)?;
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, word)| (name.trim().to_owned(), unquoted(word.trim()))).collect())
}

fn text(
    service: &str,
    database: Option<&str>,
    broker: Option<&str>,
    credentials: &Credentials,
    tokens: Option<&Tokens>,
) -> String {
    let mut text = String::from(
        "# Written by fleet each time it starts; changes are lost. To use it: set -a; . ./.env.fleet; set +a\n",
    );
    let mut say = |about: &str, name: &str, value: &str| {
        let _ = writeln!(text, "\n# {about}\n{name}={}", quoted(value));
    };
    say("Where the service listens.", "FLEET_URL", service);
    if let Some(database) = database {
        let about = "The database as the service sees it, and of that the rows of this tenant.";
        say(about, "DATABASE_URL", database);
    }
    if let Some(broker) = broker {
        say("The broker, for devices: mosquitto_pub -q 1 -L \"$MQTT_URL/tenant/..\"", "MQTT_URL", broker);
    }
    say("The tenant.", "TENANT_ID", TENANT);
    say(
        "Its people's: -H \"Authorization: Bearer $TENANT_TOKEN\"",
        "TENANT_TOKEN",
        &credentials.access_token,
    );
    say("Its devices': -H \"X-Provision-Token: $DEVICE_KEY\"", "DEVICE_KEY", &credentials.provisioning_key);
    say(
        "The operators': -H \"Authorization: Bearer $OPERATOR_TOKEN\"",
        "OPERATOR_TOKEN",
        &credentials.operator_token,
    );
    if let Some(tokens) = tokens {
        say("A person's, signed, good for a day from the start:", "TENANT_JWT", &tokens.tenant);
        say("An operator's, signed:", "OPERATOR_JWT", &tokens.operator);
    }
    text
}

/// A word of a shell: nothing in it is looked at.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// What a shell makes of such a word.
fn unquoted(word: &str) -> String {
    let (mut text, mut is_quoted, mut characters) = (String::new(), false, word.chars());
    while let Some(character) = characters.next() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '\\' if !is_quoted => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::development;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_what_was_written() {
        let odd = r#"a'b "c" $HOME `id` \ % ! # {x} *"#;
        let credentials = Credentials {
            provisioning_key: odd.to_owned(),
            access_token: "test.a".to_owned(),
            operator_token: "operator".to_owned(),
            jwt_key: development::new_key().unwrap(),
            postgres_port: None,
        };
        let tokens = development::tokens(&credentials).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env.fleet");
        for _ in 0..2 {
            let database = Some("postgresql://a@b/c?options=-c%20d%3De");
            let broker = Some("mqtt://a:b@c:1");
            write(&file, "http://127.0.0.1:1", database, broker, &credentials, Some(&tokens)).unwrap();
        }
        for shell in ["bash", "sh"] {
            let script = "set -a; . \"$0\"; set +a; printenv DEVICE_KEY DATABASE_URL MQTT_URL; test -n \"$TENANT_JWT$OPERATOR_JWT\"";
            let read = Command::new(shell).arg("-c").arg(script).arg(&file).output().unwrap();
            let expected = format!("{odd}\npostgresql://a@b/c?options=-c%20d%3De\nmqtt://a:b@c:1\n");
            assert_eq!(String::from_utf8_lossy(&read.stdout), expected, "{shell}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let read = read(&file).unwrap();
        assert_eq!((read["DEVICE_KEY"].as_str(), read["FLEET_URL"].as_str()), (odd, "http://127.0.0.1:1"));
        assert_eq!(read["MQTT_URL"], "mqtt://a:b@c:1");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
