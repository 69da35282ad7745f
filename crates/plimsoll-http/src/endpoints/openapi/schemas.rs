//! The schemas of everything that is answered.

use crate::endpoints::health::DatabaseHealth;
use crate::endpoints::queries::Queries;
use crate::endpoints::ready::Ready;
use crate::endpoints::system::capacity::DatabaseCapacity;
use crate::endpoints::system::health::SystemHealth;
use plimsoll::monitor::Snapshot;
use utoipa::openapi::schema::{AdditionalProperties, Components, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ArrayBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The name of the schema of problems.
pub(super) const PROBLEM: &str = "Problem";
/// The name of the schema of what is known of a database.
pub(super) const DATABASE_METRICS: &str = "DatabaseMetrics";

pub(super) fn all() -> Components {
    let mut all = Vec::new();
    add::<Ready>(&mut all);
    add::<DatabaseHealth>(&mut all);
    add::<Queries>(&mut all);
    add::<SystemHealth>(&mut all);
    add::<DatabaseCapacity>(&mut all);
    Snapshot::schemas(&mut all);
    all.push((DATABASE_METRICS.to_owned(), database_metrics()));
    all.push((PROBLEM.to_owned(), problem().into()));
    let mut components = Components::new();
    components.schemas = all.into_iter().collect();
    components
}

/// A type with all that it is made of.
fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}

/// The library's report with the two fields that stand before it.
fn database_metrics() -> RefOr<Schema> {
    let mut schema = Snapshot::schema();
    if let RefOr::T(Schema::Object(report)) = &mut schema {
        for (name, field) in [
            ("schema_version", text(Type::Integer, "The version of this form.")),
            ("database", text(Type::String, "The name of the database.")),
        ] {
            report.properties.insert(name.to_owned(), field.into());
            report.required.push(name.to_owned());
        }
    }
    schema
}

/// A failure: the members of RFC 9457 and those of this service.
fn problem() -> Object {
    let strings = ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String))
        .description(Some("Why, a sentence or a word each."));
    let mut problem = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("A failure, by RFC 9457."))
        .property("reasons", strings)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)));
    for (name, kind, description, is_required) in [
        ("type", Type::String, "`urn:plimsoll:problem:` and the code.", true),
        ("title", Type::String, "A sentence for people.", true),
        ("status", Type::Integer, "The HTTP status.", true),
        ("code", Type::String, "What programs may rely on.", true),
        ("detail", Type::String, "What is wrong, for clients that read it here.", false),
        ("advice", Type::String, "What to do.", false),
        ("outcome", Type::String, "What became of a write.", false),
        ("request_id", Type::String, "The id of the request, for the log.", false),
        ("schema_version", Type::Integer, "The version of this form.", true),
    ] {
        problem = problem.property(name, text(kind, description));
        if is_required {
            problem = problem.required(name);
        }
    }
    problem.build()
}

fn text(kind: Type, description: &str) -> Object {
    ObjectBuilder::new().schema_type(kind).description(Some(description)).build()
}
