//! What people of a tenant ask for over HTTP, with any method, and a second tenant to compare with.

use crate::service::{Answer, Device, Fleet};
use serde_json::Value;

/// The access token of [`other_tenant`].
pub(crate) const OTHER: &str = "other.token";

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
    let method = method.parse().unwrap();
    let mut request = device.http.request(method, format!("{}{path}", device.url));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header("Content-Type", "application/json").body(body);
    }
    Answer::of(request.send().await.unwrap()).await
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
