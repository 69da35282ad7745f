//! What each room of the service answers, a file for each.

mod alerts;
mod audit;
mod deliveries;
mod devices;
mod escalation;
mod identity;
mod ingest;
mod integrations;
mod oncall;
mod operator;
mod operator_lists;
mod rules;
mod service;
mod sites;
mod subscriptions;
mod tags;
mod telemetry;

use super::operation::Described;

/// The rooms, each with a sentence.
pub(super) const TAGS: [(&str, &str); 15] = [
    ("devices", "Devices, their tokens and their states."),
    ("tags", "The tags of devices."),
    ("telemetry", "What devices have measured."),
    ("subscriptions", "How many devices a tenant may have, and until when."),
    ("sites", "Where devices are."),
    ("alerts", "What is wrong now, and what was."),
    ("rules", "When an alert is opened."),
    ("escalation", "Who is told next when an alert stays open."),
    ("oncall", "Who is on call."),
    ("integrations", "Where alerts are told, and which of them where."),
    ("deliveries", "What was told, and with what result."),
    ("audit", "What was done by whom."),
    ("ingest", "What devices send."),
    ("operator", "What the operators of the service may ask and do."),
    ("service", "The service itself."),
];

/// Every operation.
pub(super) fn all() -> Vec<Described> {
    [
        devices::all(),
        tags::all(),
        telemetry::all(),
        subscriptions::all(),
        sites::all(),
        alerts::all(),
        rules::all(),
        escalation::all(),
        oncall::all(),
        integrations::all(),
        deliveries::all(),
        audit::all(),
        ingest::all(),
        operator::all(),
        operator_lists::all(),
        identity::all(),
        service::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
