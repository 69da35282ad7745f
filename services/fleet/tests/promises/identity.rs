//! An identity provider: keys of its own, tokens that it signs, and an HTTP server with its public keys.

use crate::service::{self, Fleet};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use fleet::Config;
use fleet::identity::development;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "fleet";

/// A key of the provider's, by its name.
pub(crate) struct Signer {
    pub(crate) id: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    /// The public key, as files have it.
    pub(crate) pem: String,
}

impl Signer {
    pub(crate) fn new(id: &'static str, algorithm: Algorithm) -> Signer {
        let random = SystemRandom::new();
        let (key, public) = match algorithm {
            Algorithm::EdDSA => {
                let made = URL_SAFE_NO_PAD.decode(development::new_key().unwrap()).unwrap();
                let key = EncodingKey::from_ed_der(&made);
                let jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
                let x = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
                let head = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
                (key, [&head[..], &x].concat())
            }
            Algorithm::ES256 => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref()).unwrap();
                (EncodingKey::from_ec_der(made.as_ref()), spki(pair.public_key()))
            }
            _ => {
                let made = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
                let der: Pkcs8V1Der<'_> = made.as_der().unwrap();
                let text = STANDARD.encode(der.as_ref());
                let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
                (EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), spki(made.public_key()))
            }
        };
        let text = STANDARD.encode(public);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
        Signer { id, algorithm, key, pem }
    }

    /// The public key, as a set of keys has it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = self.id.into();
        jwk
    }

    pub(crate) fn header(&self) -> Header {
        Header { kid: Some(self.id.to_owned()), ..Header::new(self.algorithm) }
    }

    /// A good token of tenant `test` with everything in it, changed by this; what is null is left out.
    pub(crate) fn token(&self, change: Value) -> String {
        self.token_as(&self.header(), change)
    }

    pub(crate) fn token_as(&self, header: &Header, change: Value) -> String {
        jsonwebtoken::encode(header, &claims(change), &self.key).unwrap()
    }
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}

/// What a good token says, changed by this.
pub(crate) fn claims(change: Value) -> Value {
    let now = seconds();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "iat": now, "exp": now + 600,
        "organization": "test", "roles": ["tenant-admin"],
    });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub(crate) fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a provider answers with.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The public keys of these.
    Keys(Value),
    /// Status and headers.
    Status(&'static str),
    /// More than anyone reads.
    Endless,
    /// Nothing.
    Silence,
}

/// A server with public keys.
pub(crate) struct Provider {
    pub(crate) url: String,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Provider {
    pub(crate) async fn with(signers: &[&Signer]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(keys(signers)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (shown, count) = (Arc::clone(&answer), Arc::clone(&asked));
        let server = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shown, count) = (Arc::clone(&shown), Arc::clone(&count));
                tokio::spawn(async move { answer_one(socket, &shown, &count).await });
            }
        });
        Provider { url, answer, asked, server }
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on no connection is taken.
    pub(crate) fn leave(&self) {
        self.server.abort();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn keys(signers: &[&Signer]) -> Answer {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    Answer::Keys(json!({ "keys": keys }))
}

async fn answer_one(mut socket: TcpStream, shown: &Mutex<Answer>, count: &AtomicUsize) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    count.fetch_add(1, Ordering::SeqCst);
    let answer = shown.lock().unwrap().clone();
    let text = match answer {
        Answer::Keys(keys) => {
            let body = keys.to_string();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        }
        Answer::Status(head) => format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
        Answer::Endless => {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"keys\": [").await;
            while socket.write_all(&[b' '; 65536]).await.is_ok() {}
            return;
        }
        Answer::Silence => return std::future::pending().await,
    };
    let _ = socket.write_all(text.as_bytes()).await;
    let _ = socket.shutdown().await;
}

/// Makes the service believe this provider.
pub(crate) fn believes(config: &mut Config, url: &str) {
    config.identity.jwks_url = Some(url.parse().unwrap());
    config.identity.names = Some((ISSUER.to_owned(), AUDIENCE.to_owned()));
}

/// A service that believes the provider of these keys.
pub(crate) async fn fleet_with(signers: &[&Signer]) -> (Fleet, Provider) {
    let provider = Provider::with(signers).await;
    let fleet = service::start_with(|config| believes(config, &provider.url)).await;
    (fleet, provider)
}
