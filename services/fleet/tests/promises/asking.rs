//! A tenant's person who asks a service for something with any method, and a second tenant to compare with.

use crate::service::{Answer, Device, Fleet};
use reqwest::Method;
use serde_json::Value;
use std::future::Future;
use tokio::task::JoinSet;

/// The access token of [`other_tenant`].
pub(crate) const OTHER: &str = "other.token";

/// A request of the tenant's, to be sent; cheap to make again.
#[derive(Clone)]
pub(crate) struct Ask {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    method: Method,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
}

impl Ask {
    pub(crate) fn new(fleet: &Fleet, method: Method, path: &str) -> Ask {
        Ask::at(&fleet.device, method, path)
    }

    /// The same of the service that this device knows.
    fn at(device: &Device, method: Method, path: &str) -> Ask {
        Ask {
            http: device.http.clone(),
            url: format!("{}{path}", device.url),
            token: Some(device.token.clone()),
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
        Ask { token: Some(token.to_owned()), ..self }
    }

    pub(crate) fn body(self, body: impl Into<String>) -> Ask {
        Ask { body: Some(body.into()), ..self }
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = self.http.request(self.method, &self.url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }
}

/// Asks as the first tenant.
pub(crate) async fn ask(device: &Device, method: &str, path: &str, body: Option<Value>) -> Answer {
    ask_as(device, Some(&device.token), method, path, body.map(|body| body.to_string())).await
}

/// Asks with this token, and with this text as the body.
pub(crate) async fn ask_as(
    device: &Device,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<String>,
) -> Answer {
    let ask = Ask { token: token.map(str::to_owned), ..Ask::at(device, method.parse().unwrap(), path) };
    let ask = match body {
        Some(body) => ask.header("Content-Type", "application/json").body(body),
        None => ask,
    };
    ask.send().await
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

/// Makes a tenant `other` with a token of its own.
pub(crate) async fn other_tenant(fleet: &Fleet) {
    let sql = "
        INSERT INTO tenants (tenant_id, name) VALUES ('other', 'o');
        INSERT INTO sites (tenant_id, site_id, name) VALUES ('other', 'default', 'd');
        INSERT INTO tenant_access_tokens VALUES ('other', encode(sha256('other.token'), 'hex'), 'l')";
    fleet.database.execute(sql).await.unwrap();
}

/// Everything that is in these tables, as one text.
pub(crate) async fn content(fleet: &Fleet, tables: &[&str]) -> String {
    let mut content = String::new();
    for table in tables {
        let sql = format!(
            "SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') AS rows FROM {table} t"
        );
        content.push_str(&format!("{table}:\n{}\n", fleet.database.execute(&sql).await.unwrap()[0]["rows"]));
    }
    content
}
