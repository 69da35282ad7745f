//! `GET /api/openapi.json`: the endpoints as programs read of them, by OpenAPI 3.1.
//!
//! The schemas are made from the very types that are answered, so they cannot differ; which path answers what, and who may
//! ask, stands in [`paths`].

mod paths;
mod schemas;

use super::ask::Shared;
use crate::problem::Problem;
use crate::user::User;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use paths::{BEARER, PATHS};
use std::sync::{Arc, LazyLock};
use utoipa::openapi::schema::{ArrayItems, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Info, OpenApi, Paths, RefOr};

/// The description of [`endpoints`](crate::endpoints), to be merged into that of the service.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut info = Info::new("What the service answers about itself", "1");
    info.description =
        Some("Health, readiness, metrics and capacity of a service and its databases.".to_owned());
    let mut paths = Paths::new();
    for path in &PATHS {
        paths.paths.insert(path.path.to_owned(), path.item());
    }
    let mut components = schemas::all();
    components.schemas.values_mut().for_each(mend);
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("An operator's token.".to_owned());
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let mut document = OpenApi::new(info, paths);
    document.components = Some(components);
    document
}

pub(super) async fn document(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<(User, [(HeaderName, &'static str); 1], &'static str), Problem> {
    static DOCUMENT: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string(&openapi()).unwrap_or_default());
    let operator = shared.operator(&headers)?;
    Ok((operator, [(header::CONTENT_TYPE, "application/json")], &DOCUMENT))
}

/// Descriptions come from the types' own, which have links that mean nothing outside the crate.
fn mend(schema: &mut RefOr<Schema>) {
    let clean = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = without_link(text);
        }
    };
    match schema {
        RefOr::Ref(link) => link.description = without_link(&link.description),
        RefOr::T(Schema::Object(object)) => {
            clean(&mut object.description);
            object.properties.values_mut().for_each(mend);
        }
        RefOr::T(Schema::Array(array)) => {
            clean(&mut array.description);
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                mend(items);
            }
        }
        RefOr::T(Schema::OneOf(one_of)) => {
            clean(&mut one_of.description);
            one_of.items.iter_mut().for_each(mend);
        }
        RefOr::T(Schema::AllOf(all_of)) => {
            clean(&mut all_of.description);
            all_of.items.iter_mut().for_each(mend);
        }
        RefOr::T(_) => {}
    }
}

/// [`Name`](crate::Name) and [`Name`] become `Name`, and lines one line.
fn without_link(text: &str) -> String {
    let text = text.replace('\n', " ");
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, from)) = rest.split_once("[`") {
        clean.push_str(before);
        let Some((name, after)) = from.split_once("`]") else {
            clean.push_str("[`");
            rest = from;
            continue;
        };
        clean.push('`');
        clean.push_str(name);
        clean.push('`');
        rest =
            after.strip_prefix('(').and_then(|link| link.split_once(')')).map_or(after, |(_, after)| after);
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::without_link;

    #[test]
    fn a_link_becomes_the_name_that_it_shows() {
        for (text, clean) in [
            ("As in [`Status`].", "As in `Status`."),
            ("All: [`a::b`](crate::a::b), and\n[`c`](d).", "All: `a::b`, and `c`."),
            ("[`open", "[`open"),
            ("[`a`](open", "`a`(open"),
            ("no [link] here", "no [link] here"),
        ] {
            assert_eq!(without_link(text), clean);
        }
    }
}
