//! Who asks over HTTP for what is a tenant's: every such route begins with this.

use crate::http::bearer::bearer;
use crate::http::failure::Reply;
use crate::identity::refusal::PermissionMissing;
use crate::identity::{roles, route};
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
    /// Whose token the headers show, if this person may do what the request asks for: which permission that needs is found by its
    /// path ([`crate::identity::permissions`]), and no handler asks for it.
    ///
    /// # Errors
    /// 401 without an accepted token, 403 without the permission, 503 while the database cannot be asked.
    ///
    /// # Cancel safety
    /// Only reads.
    pub(crate) async fn of(service: &'a Service, headers: &HeaderMap) -> Reply<Self> {
        let token = bearer(headers)?;
        let ready = service.ready()?;
        let known = access::known(service.identity(), &ready.pools.ui, token).await?;
        let needed = route::permission();
        if !roles::may(&known.roles, needed) {
            return Err(PermissionMissing(needed).into());
        }
        Ok(Caller { ready, tenant: known.tenant })
    }

    /// As the access log names it.
    pub(crate) fn user(&self) -> User {
        User::new(self.tenant.as_str())
    }
}
