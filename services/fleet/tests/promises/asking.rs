//! A tenant's person who asks a service for something with any method.

use crate::service::{Answer, Fleet};
use reqwest::Method;
use serde_json::Value;
use std::future::Future;
use tokio::task::JoinSet;

/// A request of the tenant's, to be sent; cheap to make again.
#[derive(Clone)]
pub(crate) struct Ask {
    http: reqwest::Client,
    url: String,
    token: String,
    method: Method,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Ask {
    pub(crate) fn new(fleet: &Fleet, method: Method, path: &str) -> Ask {
        let device = &fleet.device;
        Ask {
            http: device.http.clone(),
            url: format!("{}{path}", device.url),
            token: device.token.clone(),
            method,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Ask {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn token(self, token: &str) -> Ask {
        Ask { token: token.to_owned(), ..self }
    }

    pub(crate) fn body(self, body: impl Into<String>) -> Ask {
        Ask { body: Some(body.into()), ..self }
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = self.http.request(self.method, &self.url).bearer_auth(&self.token);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

pub(crate) async fn delete(fleet: &Fleet, path: &str) -> Answer {
    Ask::new(fleet, Method::DELETE, path).send().await
}

pub(crate) async fn post(fleet: &Fleet, path: &str, body: &Value) -> Answer {
    Ask::new(fleet, Method::POST, path).body(body.to_string()).send().await
}

pub(crate) async fn patch(fleet: &Fleet, path: &str, body: &Value) -> Answer {
    Ask::new(fleet, Method::PATCH, path).body(body.to_string()).send().await
}

/// Registers a device, and gives its token.
pub(crate) async fn created(fleet: &Fleet, device: &str) -> String {
    let answer = post(fleet, "/customer/devices", &serde_json::json!({ "device_id": device })).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["provision_token"].as_str().unwrap().to_owned()
}

/// All of them at once.
pub(crate) async fn all_at_once<F>(asks: impl IntoIterator<Item = F>) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    asks.into_iter().collect::<JoinSet<_>>().join_all().await
}

/// How many of the answers have this status.
pub(crate) fn with_status(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// A text out of the database, asked as the superuser.
pub(crate) async fn text(fleet: &Fleet, sql: &str) -> String {
    let rows = fleet.database.execute(sql).await.unwrap();
    rows[0].get("s").cloned().unwrap_or_default()
}
