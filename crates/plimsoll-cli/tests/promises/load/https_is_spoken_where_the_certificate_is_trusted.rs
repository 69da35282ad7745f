//! A service under TLS is called where this system trusts its certificate, and where it does not, that is told in one line.

use super::service::{number, report};
use crate::command::{Run, plimsoll, runs};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A service that answers every request on each of its connections, and the certificate that it shows.
async fn service() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut read = [0; 4096];
                // A request is smaller than what is read at a time.
                while stream.read(&mut read).await.is_ok_and(|count| count > 0) {
                    stream.write_all(ANSWER).await.unwrap();
                }
            });
        }
    });
    (format!("https://localhost:{port}/"), cert.pem())
}

async fn load(url: &str, trusted: &Path) -> Run {
    let shape = ["--rate", "20", "--for", "1s", "--rounds", "1", "--warm-up", "0s", "--json"];
    let mut command = plimsoll(&[["load", "http", url].as_slice(), &shape].concat());
    command.env("SSL_CERT_FILE", trusted);
    runs(command).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_not_elsewhere() {
    let (url, certificate) = service().await;
    let (_, another) = service().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    std::fs::write(&file, certificate).unwrap();
    let trusted = load(&url, &file).await;
    assert_eq!(trusted.status, 0, "{trusted:?}");
    assert_eq!(number(&report(&trusted.out)["answered"]), 20.0);

    std::fs::write(&file, another).unwrap();
    let strange = load(&url, &file).await;
    assert_eq!((strange.status, strange.error.lines().count()), (3, 1), "{strange:?}");
    assert!(
        strange.error.contains("cannot be reached: no connection") && strange.error.contains("certificate"),
        "{strange:?}"
    );
    std::fs::write(&file, "").unwrap();
    let none = load(&url, &file).await;
    assert_eq!((none.status, none.error.lines().count()), (3, 1), "{none:?}");
    assert!(none.error.contains("no root certificates"), "{none:?}");
}
