//! Which path answers what, and who may ask.

use super::schemas::{DATABASE_METRICS, PROBLEM};
use crate::endpoints::{queries, scrape};
use serde_json::json;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, HeaderBuilder, PathItem, Ref, ResponseBuilder};

/// The name of the way in which operators prove that they are.
pub(super) const BEARER: &str = "operator";

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Everyone; a token changes nothing.
    Anyone,
    /// Everyone in a word; operators are told more.
    AnyoneInAWord,
    /// Operators.
    Operators,
}

/// What is in a body.
#[derive(Clone, Copy)]
enum Body {
    Text(&'static str),
    Json(&'static str),
    Problem,
}

/// What can be asked in the query.
#[derive(Clone, Copy)]
enum Ask {
    Database,
    Limit,
    Sort,
}

/// A path.
pub(super) struct Described {
    pub(super) path: &'static str,
    id: &'static str,
    summary: &'static str,
    access: Access,
    asks: &'static [Ask],
    answers: &'static [(&'static str, &'static str, Body)],
}

const STARTING: (&str, &str, Body) = ("503", "The service has no database yet.", Body::Problem);
const UNKNOWN: (&str, &str, Body) = ("404", "There is no database of this name.", Body::Problem);
const MALFORMED: (&str, &str, Body) = ("400", "The query is malformed.", Body::Problem);
const SYSTEM_HEALTH: &[(&str, &str, Body)] = &[
    ("200", "No part is down.", Body::Json("SystemHealth")),
    ("503", "A part is down.", Body::Json("SystemHealth")),
];
const CAPACITY: &[(&str, &str, Body)] =
    &[("200", "How full it is.", Body::Json("DatabaseCapacity")), MALFORMED, UNKNOWN, STARTING];

/// All paths.
pub(super) const PATHS: [Described; 11] = [
    Described {
        path: "/livez",
        id: "live",
        summary: "Whether the process answers",
        access: Access::Anyone,
        asks: &[],
        answers: &[("200", "It does.", Body::Text("text/plain; charset=utf-8"))],
    },
    Described {
        path: "/readyz",
        id: "ready",
        summary: "Whether requests should be sent here",
        access: Access::AnyoneInAWord,
        asks: &[],
        answers: &[
            ("200", "They should.", Body::Json("Ready")),
            (
                "503",
                "The service is starting or stopping, or a database would not serve a call.",
                Body::Problem,
            ),
        ],
    },
    Described {
        path: "/metrics",
        id: "scrape",
        summary: "All metrics in the text format of Prometheus",
        access: Access::Operators,
        asks: &[],
        answers: &[("200", "The metrics; none before there is a database.", Body::Text(scrape::TEXT))],
    },
    Described {
        path: "/api/health/database",
        id: "databaseHealth",
        summary: "How the database is",
        access: Access::AnyoneInAWord,
        asks: &[Ask::Database],
        answers: &[
            ("200", "It answers.", Body::Json("DatabaseHealth")),
            MALFORMED,
            UNKNOWN,
            ("503", "It does not answer, or the service has none yet.", Body::Problem),
        ],
    },
    Described {
        path: "/api/metrics/database",
        id: "databaseMetrics",
        summary: "What is known of the pool and its statements",
        access: Access::Operators,
        asks: &[Ask::Database],
        answers: &[("200", "What is known.", Body::Json(DATABASE_METRICS)), MALFORMED, UNKNOWN, STARTING],
    },
    Described {
        path: "/api/metrics/queries",
        id: "queries",
        summary: "The kinds of statements that cost most",
        access: Access::Operators,
        asks: &[Ask::Limit, Ask::Sort, Ask::Database],
        answers: &[("200", "They.", Body::Json("Queries")), MALFORMED, UNKNOWN, STARTING],
    },
    Described {
        path: "/operator/system/health",
        id: "systemHealth",
        summary: "How each part of the service is",
        access: Access::Operators,
        asks: &[],
        answers: SYSTEM_HEALTH,
    },
    Described {
        path: "/api/v1/operator/system/health",
        id: "systemHealthV1",
        summary: "How each part of the service is",
        access: Access::Operators,
        asks: &[],
        answers: SYSTEM_HEALTH,
    },
    Described {
        path: "/operator/system/capacity",
        id: "capacity",
        summary: "How full the database is",
        access: Access::Operators,
        asks: &[Ask::Database],
        answers: CAPACITY,
    },
    Described {
        path: "/api/v1/operator/system/capacity",
        id: "capacityV1",
        summary: "How full the database is",
        access: Access::Operators,
        asks: &[Ask::Database],
        answers: CAPACITY,
    },
    Described {
        path: "/api/openapi.json",
        id: "openapi",
        summary: "This description",
        access: Access::Operators,
        asks: &[],
        answers: &[("200", "The description.", Body::Text("application/json"))],
    },
];

impl Described {
    pub(super) fn item(&self) -> PathItem {
        let mut operation = OperationBuilder::new().operation_id(Some(self.id)).summary(Some(self.summary));
        for ask in self.asks {
            operation = operation.parameter(ask.parameter());
        }
        for (status, what, body) in self.answers {
            operation = operation.response(*status, response(what, *body));
        }
        operation = operation.response("default", response("Another failure.", Body::Problem));
        let bearer = || SecurityRequirement::new(BEARER, [""; 0]);
        operation = match self.access {
            Access::Anyone => operation.securities(Some([])),
            // One of the two: no token, or an operator's.
            Access::AnyoneInAWord => operation.securities(Some([SecurityRequirement::default(), bearer()])),
            Access::Operators => operation
                .securities(Some([bearer()]))
                .response("401", unproved())
                .response("403", response("The request is another site's.", Body::Problem)),
        };
        PathItem::new(HttpMethod::Get, operation)
    }
}

impl Ask {
    fn parameter(self) -> Parameter {
        let (name, description, schema) = match self {
            Ask::Database => (
                "database",
                "The name of the database, where there are several.",
                ObjectBuilder::new().schema_type(Type::String),
            ),
            Ask::Limit => (
                "limit",
                "How many at the most.",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .minimum(Some(1))
                    .maximum(Some(queries::MOST))
                    .default(Some(json!(queries::USUAL))),
            ),
            Ask::Sort => (
                "sort",
                "What the first has most of.",
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(["total", "mean", "max", "errors"]))
                    .default(Some(json!("mean"))),
            ),
        };
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
        parameter.description(Some(description)).schema(Some(schema)).build()
    }
}

/// With how one would prove it.
fn unproved() -> utoipa::openapi::Response {
    let challenge = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String))).build();
    let mut response = response("No operator's token is shown.", Body::Problem);
    response.headers.insert("WWW-Authenticate".to_owned(), challenge.into());
    response
}

fn response(what: &str, body: Body) -> utoipa::openapi::Response {
    let (kind, content) = match body {
        Body::Text(kind) => {
            (kind, ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(kind_of(kind)))))
        }
        Body::Json(name) => {
            ("application/json", ContentBuilder::new().schema(Some(Ref::from_schema_name(name))))
        }
        Body::Problem => {
            ("application/problem+json", ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))))
        }
    };
    ResponseBuilder::new().description(what).content(kind, content.build()).build()
}

fn kind_of(kind: &str) -> Type {
    if kind == "application/json" { Type::Object } else { Type::String }
}
