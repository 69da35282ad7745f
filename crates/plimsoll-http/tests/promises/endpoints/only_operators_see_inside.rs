//! Detail is for those who show a token, or for this machine's user in development; what decides where requests go is a word
//! that anyone is told, and depends on no token.

use super::site::{Site, TOKEN, Who, database};
use crate::service::{Service, serve, until};
use plimsoll_http::{EndpointOptions, Operators, Options, endpoints};

const WORDS: [&str; 3] = ["/livez", "/readyz", "/api/health/database"];
const DETAIL: [&str; 8] = [
    "/metrics",
    "/api/metrics/database",
    "/api/metrics/queries?limit=10",
    "/operator/system/health",
    "/api/v1/operator/system/health",
    "/operator/system/capacity",
    "/api/v1/operator/system/capacity",
    "/api/openapi.json",
];

#[tokio::test]
async fn whoever_shows_no_token_or_a_wrong_one_is_told_a_word() {
    let (site, db, _fresh) = Site::start(EndpointOptions::default()).await;
    for path in WORDS {
        let word = site.get(Who::Anyone, path).await;
        assert_eq!(word.status, 200, "{path}");
        assert_eq!(site.get(Who::Stranger, path).await.body, word.body, "{path}");
    }
    for path in DETAIL {
        for (who, code) in
            [(Who::Anyone, "OPERATOR_TOKEN_MISSING"), (Who::Stranger, "OPERATOR_TOKEN_INVALID")]
        {
            let answer = site.get(who, path).await;
            assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some(code)), "{path}");
            assert!(answer.header("www-authenticate").starts_with("Bearer realm="), "{path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        }
        assert_eq!(site.get(Who::Operator, path).await.status, 200, "{path}");
        // A token in the URL is written down by proxies, so it proves nothing.
        let separator = if path.contains('?') { '&' } else { '?' };
        let in_url = format!("{path}{separator}token={TOKEN}&access_token={TOKEN}");
        assert_eq!(site.get(Who::Anyone, &in_url).await.status, 401, "{path}");
    }
    // The reasons hold names and numbers of the inside.
    db.isolate();
    for path in ["/readyz", "/api/health/database"] {
        let (to_anyone, to_operators) =
            (site.get(Who::Anyone, path).await, site.get(Who::Operator, path).await);
        assert_eq!(to_anyone.status, to_operators.status, "{path}");
        assert!(
            !to_anyone.body.contains("breaker") && !to_anyone.body.contains("database:"),
            "{to_anyone:?}"
        );
        assert!(to_operators.body.contains("the circuit breaker"), "{to_operators:?}");
        let to_stranger = site.get(Who::Stranger, path).await;
        assert!(!to_stranger.body.contains("breaker"), "{to_stranger:?}");
    }
    db.close().await;
}

#[tokio::test]
async fn in_development_this_machines_user_needs_none_and_another_sites_page_gets_nothing() {
    let (db, _fresh) = database().await;
    let here = Operators::default().or_anyone_here("127.0.0.1:0".parse().unwrap());
    let site = Site::with(&(&db).into(), &here, EndpointOptions::default()).await;
    for path in DETAIL {
        assert_eq!(site.get(Who::Anyone, path).await.status, 200, "{path}");
        for foreign in ["Sec-Fetch-Site: cross-site\r\n", "X-Forwarded-For: 10.0.0.7\r\n"] {
            assert_eq!(site.send(Who::Anyone, "GET", path, foreign).await.status, 403, "{path} {foreign}");
        }
    }
    db.pause();
    let told = site.get(Who::Anyone, "/api/health/database").await.json();
    assert_eq!(told["warnings"][0], "the pool is paused: calls wait until it is resumed");
    let foreign = site.send(Who::Anyone, "GET", "/api/health/database", "X-Real-IP: 10.0.0.7\r\n").await;
    assert_eq!((foreign.status, foreign.json().get("warnings")), (200, None), "{foreign:?}");
    db.resume();
    db.close().await;
}

#[tokio::test]
async fn metrics_are_for_scrapers_without_a_token_where_that_is_said() {
    let (db, _fresh) = database().await;
    let site = Site::new(&(&db).into(), EndpointOptions::default().scraped_by_anyone()).await;
    let answer = site.get(Who::Anyone, "/metrics").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(site.get(Who::Stranger, "/metrics").await.status, 200);
    for path in DETAIL.iter().filter(|path| **path != "/metrics") {
        assert_eq!(site.get(Who::Anyone, path).await.status, 401, "{path}");
    }
    db.close().await;
}

/// The endpoints need neither the layers nor the service's own state.
#[tokio::test]
async fn without_the_layers_the_answers_are_the_same() {
    let (site, db, _fresh) = Site::start(EndpointOptions::default()).await;
    let operators = Operators::default().token("anna", &TOKEN.into()).unwrap();
    let bare = axum::Router::new().merge(endpoints(&db, &operators, EndpointOptions::default()));
    let bare = Site { at: serve(bare.with_state(())).await, databases: site.databases.clone() };
    for path in WORDS {
        assert_eq!(bare.get(Who::Anyone, path).await.body, site.get(Who::Anyone, path).await.body, "{path}");
    }
    for path in DETAIL {
        until("it answers", async || bare.get(Who::Operator, path).await.status == 200).await;
    }
    db.close().await;
}

#[tokio::test]
async fn and_the_access_log_names_them() {
    let service = Service::start(Options::default(), |db| {
        let operators = Operators::default().token("anna", &TOKEN.into()).unwrap();
        endpoints(db, &operators, EndpointOptions::default())
    })
    .await;
    let site = Site { at: service.at, databases: (&service.db).into() };
    for path in DETAIL {
        assert_eq!(site.get(Who::Operator, path).await.status, 200, "{path}");
        let route = path.split('?').next().unwrap();
        assert_eq!(service.records.of(route).await["user"], "anna", "{path}");
    }
    service.end().await;
}
