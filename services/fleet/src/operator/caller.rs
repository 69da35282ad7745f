//! Who asks over HTTP for what is the operators': every such route begins with this.

use super::Access;
use crate::http::failure::Reply;
use crate::service::{Ready, Service};
use axum::http::{HeaderMap, HeaderValue, header};
use plimsoll_http::{Operator, User, X_PLIMSOLL_ACTION};

/// An operator, and what the service has for the answer.
pub(crate) struct OperatorCaller<'a> {
    pub(crate) ready: &'a Ready,
    operator: Operator,
}

impl<'a> OperatorCaller<'a> {
    /// Who looks.
    ///
    /// # Errors
    /// 401 or 403 for others than operators, 503 while the database has not been there.
    pub(crate) fn of(service: &'a Service, headers: &HeaderMap) -> Reply<Self> {
        let operator = service.operators().check(headers)?;
        Ok(OperatorCaller { ready: service.ready()?, operator })
    }

    /// Who changes something. Where this machine's user needs no token, the request has to carry what no page of another site
    /// can send.
    ///
    /// # Errors
    /// As [`OperatorCaller::of`].
    pub(crate) fn acting(service: &'a Service, headers: &HeaderMap) -> Reply<Self> {
        let mut meant = headers.clone();
        if headers.contains_key(header::AUTHORIZATION) {
            // No browser sends a token by itself, so who shows one means it.
            meant.insert(X_PLIMSOLL_ACTION, HeaderValue::from_static("token"));
        }
        let operator = service.operators().check_action(&meant)?;
        Ok(OperatorCaller { ready: service.ready()?, operator })
    }

    /// As the record names what is done.
    pub(super) fn access(&self, action: &'static str, object_type: &'static str) -> Access {
        Access::new(self.operator.name(), action, object_type)
    }

    /// Who it is.
    pub(crate) fn name(&self) -> &str {
        self.operator.name()
    }

    /// As the access log names it.
    pub(crate) fn user(&self) -> User {
        User::new(self.operator.name())
    }
}
