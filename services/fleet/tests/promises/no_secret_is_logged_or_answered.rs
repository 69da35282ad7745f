//! With everything logged that can be, and whatever a client sends, no secret is in the log of the service or in an answer:
//! not the passwords of the database, not a token that is right or wrong; and what a device sent is not in the log.

use crate::service::{self, Device};
use fleet::boot::demo::Credentials;
use fleet::identity::development;
use plimsoll_embedded::test_server;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

/// What a client sends that has no business in a log.
const PLANTED: &str = "hiddenword";

#[tokio::test]
async fn with_everything_logged_that_can_be() {
    let database = test_server::database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
    command.env("DATABASE_URL", database.url()).env("FLEET_DATA", folder.path());
    command
        .env("FLEET_LISTEN", "127.0.0.1:0")
        .env("FLEET_DEMO", "on")
        .env("FLEET_ENV_FILE", "off")
        .env("AUTO_PROVISION", "on")
        .env("OPERATOR_TOKEN", format!("operator.{PLANTED}"))
        .env("PLIMSOLL_SLOW_LOG_AFTER", "1ms")
        .env("PLIMSOLL_SLOW_LOG_PLAN", "true")
        .env("RUST_LOG", "trace");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().unwrap();
    let mut stderr = process.stderr.take().unwrap();
    let logged = tokio::spawn(async move {
        let mut text = String::new();
        stderr.read_to_string(&mut text).await.unwrap();
        text
    });
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut secrets = vec![PLANTED.to_owned(), database.server().password().to_owned()];
    let mut url = None;
    let ready = async {
        while let Some(line) = said.next_line().await.unwrap() {
            if let Some(found) = line.strip_prefix("fleet listens on ") {
                url = Some(found.to_owned());
            }
            // It is printed for the terminal, and nowhere else.
            if let Some((_, rest)) = line.split_once("export DATABASE_URL='postgresql://") {
                let login = rest.split('@').next().unwrap();
                secrets.push(login.split_once(':').unwrap().1.to_owned());
                return;
            }
        }
        panic!("it ended before it was ready");
    };
    tokio::time::timeout(service::PATIENCE, ready).await.unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
    let credentials = Credentials::of_folder(folder.path()).unwrap();
    secrets.extend([credentials.provisioning_key.clone(), credentials.access_token.clone()]);
    let tokens = development::tokens(&credentials).unwrap();
    secrets.extend([credentials.jwt_key.clone(), tokens.tenant.clone(), tokens.operator.clone()]);
    // A signature alone is a secret as well: the rest of a token can be guessed.
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    secrets.extend([signature(&tokens.tenant), signature(&tokens.operator)]);
    let device = Device::of(url.unwrap(), credentials);
    let mut answers = everything(&device).await;
    for token in [tokens.tenant.clone(), tokens.operator.clone(), format!("{}x", tokens.tenant)] {
        for path in ["/customer/devices", "/operator/system/health"] {
            answers += &format!("{:#?}", device.get_as(path, Some(&token)).await);
        }
    }

    let pid = process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    assert!(process.wait().await.unwrap().success());
    let log = logged.await.unwrap();
    for part in ["TRACE", "plimsoll::slow", "slow statement"] {
        assert!(log.contains(part), "{part} is missing: this is not a log of everything");
    }
    assert!(secrets.iter().all(|secret| secret.len() > 8), "these are secrets");
    for (number, secret) in secrets.iter().enumerate() {
        // An answer may repeat to a client what that client has sent.
        let answered = if secret == PLANTED { "" } else { &answers };
        for (what, text) in [("log", log.as_str()), ("answers", answered)] {
            let found = text.lines().find(|line| line.contains(secret.as_str()));
            // The secret itself is not printed here either.
            let found = found.map(|line| line.replace(secret.as_str(), "<it>"));
            assert_eq!(found, None, "secret {number} is in the {what}");
        }
    }
}

/// Everything that a client can ask, right and wrong, and all answers as text. What a reading holds is not asked for: it
/// is shown to those who may see it.
async fn everything(device: &Device) -> String {
    let mut answers = Vec::new();
    device.send("d1", format!(r#"{{"{PLANTED}": 7, "temperature": 25}}"#)).await.accepted();
    for body in [
        format!("{{\"{PLANTED}\": "),
        format!("\"{PLANTED}\""),
        format!(r#"{{"ts": "{PLANTED}", "temperature": 1}}"#),
        format!(r#"{{"temperature": 1, "note": "{PLANTED}\u0000"}}"#),
    ] {
        answers.push(device.send("d1", body).await);
    }
    let path = "/ingest/v1/tenant/test/device/d1/telemetry";
    for token in [format!("test.{PLANTED}"), format!("{PLANTED}'; SELECT 1")] {
        answers.push(device.send_to(path, Some(&token), "{\"t\": 1}").await);
        for path in ["/customer/devices", "/operator/system/health", "/operator/system/capacity"] {
            answers.push(device.get_as(path, Some(&token)).await);
        }
    }
    let operator = format!("operator.{PLANTED}");
    for path in ["/operator/system/health", "/operator/system/capacity"] {
        answers.push(device.get_as(path, Some(&operator)).await);
    }
    for path in ["/health", "/customer/devices", &format!("/customer/devices?cursor={PLANTED}")] {
        answers.push(device.get(path).await);
    }
    format!("{answers:#?}")
}
