//! Why an integration, or a route to one, is refused.

use crate::refusal::{Refusal, RefusalKind};
use std::borrow::Cow;

/// Why a route is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteRefusal {
    /// The id in the path is no UUID.
    BadId,
    /// A field says what cannot be.
    Invalid(&'static str),
    /// The tenant has no integration of this id.
    UnknownIntegration,
}

impl Refusal for RouteRefusal {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Malformed
    }

    fn code(&self) -> &'static str {
        match self {
            RouteRefusal::BadId => "INVALID_ID",
            RouteRefusal::Invalid(_) => "INVALID_ROUTE",
            RouteRefusal::UnknownIntegration => "UNKNOWN_INTEGRATION",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            RouteRefusal::BadId => {
                "the id in the path is no UUID such as 7f0c2a52-5d0e-4c3e-9d7b-0c8f6a1b2c3d".into()
            }
            RouteRefusal::Invalid(why) => (*why).into(),
            RouteRefusal::UnknownIntegration => {
                "integration_id names no integration of this tenant; nothing was changed".into()
            }
        }
    }
}

/// Why an integration is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationRefusal {
    /// The id in the path is no UUID.
    BadId,
    /// A field says what cannot be.
    Invalid(&'static str),
}

impl Refusal for IntegrationRefusal {
    fn kind(&self) -> RefusalKind {
        RefusalKind::Malformed
    }

    fn code(&self) -> &'static str {
        match self {
            IntegrationRefusal::BadId => "INVALID_ID",
            IntegrationRefusal::Invalid(_) => "INVALID_INTEGRATION",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            IntegrationRefusal::BadId => RouteRefusal::BadId.detail(),
            IntegrationRefusal::Invalid(why) => (*why).into(),
        }
    }
}
