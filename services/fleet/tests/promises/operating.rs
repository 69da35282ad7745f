//! An operator who asks a service for something.

use crate::asking::ask_as;
use crate::service::{Answer, Fleet};
use serde_json::Value;

pub(crate) async fn operate(fleet: &Fleet, method: &str, path: &str, body: Option<Value>) -> Answer {
    let token = Some(fleet.device.operator.as_str());
    ask_as(&fleet.device, token, method, path, body.map(|body| body.to_string())).await
}

/// Looks at a list, and gives its rows.
pub(crate) async fn items(fleet: &Fleet, path: &str) -> Vec<Value> {
    let answer = operate(fleet, "GET", path, None).await;
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}
