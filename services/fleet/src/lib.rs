//! A service that takes readings from fleets of devices and keeps them in PostgreSQL, and that uses Plimsoll in
//! earnest: what the library promises is only worth something if a real service keeps its own promises with it.
//!
//! - A reading is acknowledged after the transaction that holds it has committed, and not before.
//! - The same reading is stored once, however often the device sends it.
//! - A first message registers its device exactly once, whatever the concurrency.
//! - A tenant's rows are seen in that tenant's transaction and nowhere else.
//! - It starts and answers while the database is away.
//!
//! # The map
//! | room | what is in it |
//! |---|---|
//! | [`refusal`], [`affected`], [`credentials`], [`instant`] | why something is refused, how many rows were touched, secrets, times as they are shown |
//! | [`text`], [`foreign_key`] | texts as people write them, references that do not hold |
//! | [`http`] | what answers have in common beyond what `plimsoll_http` gives them: refusals, tokens, what a body may be |
//! | [`identity`] | signed tokens of an identity provider, roles, what was revoked |
//! | [`tenants`] | whose everything is; the only transaction in which a tenant's rows are seen |
//! | [`subscriptions`], [`devices`] | the count, and the registry |
//! | `sites` | where devices are, and what was counted there |
//! | [`ingest`], [`telemetry`] | from message to row, and from row to page, chart and file |
//! | [`hygiene`] | the work of the night: past days, statistics, the overview of sites |
//! | [`oncall`], [`escalation`] | who is on call; who is told of an alert, and who next |
//! | [`alerts`], [`integrations`] | what is wrong with a fleet; where that is told |
//! | [`operator`], [`audit`] | what operators see and do of all tenants; the record of who did what |
//! | [`alert_rules`] | when an alert is opened and closed by itself |
//! | [`openapi`] | each path as programs read of it |
//! | [`delivery`] | sending it there, and what became of it |
//! | `front`, `console` | the page at `/`; the pages of a tenant's people and of operators |
//! | `play` | in development only: breaking the database from that page, and the account of what it cost |
//! | [`simulate`] | a made-up fleet, against any service or, in development, against this one |
//! | [`pools`], [`service`] | the four pools, and what handlers share |
//! | [`boot`] | what was said, the login role, the schema, the first tenant, the order of starting and stopping, the paths |

pub mod affected;
pub mod alert_rules;
pub mod alerts;
pub mod audit;
pub mod boot;
mod caller;
mod console;
pub mod credentials;
pub mod delivery;
pub mod devices;
pub mod escalation;
pub mod foreign_key;
mod front;
pub mod http;
pub mod hygiene;
pub mod identity;
pub mod ingest;
pub mod instant;
pub mod integrations;
pub mod oncall;
pub mod openapi;
pub mod operator;
#[cfg(feature = "dev")]
mod play;
pub mod pools;
pub mod refusal;
pub mod service;
pub mod simulate;
mod sites;
pub mod subscriptions;
pub mod telemetry;
pub mod tenants;
pub mod text;

pub use boot::config::{Config, Source};
pub use boot::start::{Running, StartError, start};
