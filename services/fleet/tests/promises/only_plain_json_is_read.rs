//! A body that is compressed, or says that it is something else than JSON, gets 415 with what would be right, and
//! nothing of it is stored.

use crate::service;

const GOOD: &str = r#"{"temperature": 25}"#;

/// `{"temperature": 25}`, as gzip makes it.
fn gzip() -> Vec<u8> {
    let mut child = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), GOOD.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[tokio::test]
async fn an_encoded_body_is_415() {
    let fleet = service::start().await;
    for coding in ["gzip", "x-gzip", "GZip", "deflate", "br", "zstd", "identity, gzip"] {
        for body in [gzip(), GOOD.as_bytes().to_vec()] {
            let headers = [("Content-Encoding", coding), ("Content-Type", "application/json")];
            let answer = fleet.device.send_as(&headers, body).await;
            answer.refused(415, "UNSUPPORTED_CONTENT_ENCODING");
            assert_eq!(answer.takes_encoding.as_deref(), Some("identity"), "{coding}");
        }
    }
    // Without the header it is bytes that are no JSON.
    fleet.device.send_as(&[], gzip()).await.refused(400, "INVALID_JSON");
    assert_eq!(fleet.readings().await, 0);
    fleet.device.send_as(&[("Content-Encoding", "identity")], GOOD).await.accepted();
    assert_eq!(fleet.readings().await, 1);
}

#[tokio::test]
async fn another_kind_of_body_is_415() {
    let fleet = service::start().await;
    for kind in
        ["text/xml", "application/xml", "text/plain", "application/cbor", "application/json; charset=utf-16"]
    {
        fleet.device.send_as(&[("Content-Type", kind)], GOOD).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    assert_eq!(fleet.readings().await, 0);
    // The last is what curl says of every body.
    for kind in ["application/json", "application/json; charset=utf-8", "application/x-www-form-urlencoded"] {
        fleet.device.send_as(&[("Content-Type", kind)], GOOD).await.accepted();
    }
    fleet.device.send_as(&[], GOOD).await.accepted();
    assert_eq!(fleet.readings().await, 4);
}
