//! Who asks over HTTP for what is a tenant's: every such route begins with this.

use crate::http::bearer::bearer;
use crate::http::failure::Reply;
use crate::service::{Ready, Service};
use crate::tenants::{TenantId, access};
use axum::http::HeaderMap;
use plimsoll_http::User;

/// A person of a tenant, whose token was accepted, and what the service has for the answer.
pub(crate) struct Caller<'a> {
    pub(crate) ready: &'a Ready,
    pub(crate) tenant: TenantId,
}

impl<'a> Caller<'a> {
    /// Whose token the headers show.
    ///
    /// # Errors
    /// 401 without an accepted token, 503 while the database cannot be asked.
    ///
    /// # Cancel safety
    /// Only reads.
    pub(crate) async fn of(service: &'a Service, headers: &HeaderMap) -> Reply<Self> {
        let token = bearer(headers)?;
        let ready = service.ready()?;
        let tenant = access::tenant_of(&ready.pools.ui, token).await?;
        Ok(Caller { ready, tenant })
    }

    /// As the access log names it.
    pub(crate) fn user(&self) -> User {
        User::new(self.tenant.as_str())
    }
}
