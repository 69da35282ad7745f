//! Who asks over HTTP for what is a tenant's: every such route begins with this.

use crate::audit::origin;
use crate::http::bearer::bearer;
use crate::http::failure::Reply;
use crate::identity::refusal::PermissionMissing;
use crate::identity::{roles, route};
use crate::service::{Ready, Service};
use crate::tenants::{TenantId, TenantTx, access, transaction};
use axum::http::HeaderMap;
use plimsoll::Result;
use plimsoll_http::User;
use std::future::Future;

/// A person of a tenant, whose token was accepted, and what the service has for the answer.
pub(crate) struct Caller<'a> {
    pub(crate) ready: &'a Ready,
    pub(crate) tenant: TenantId,
    /// Who it is, where the token names a person.
    pub(crate) person: Option<String>,
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
        if let Some(person) = &known.person {
            origin::is_of(person);
        }
        let needed = route::permission();
        if !roles::may(&known.roles, needed) {
            return Err(PermissionMissing(needed).into());
        }
        Ok(Caller { ready, tenant: known.tenant, person: known.person })
    }

    /// What the work with this person answers, and the name for the access log: all of a tenant's routes end so.
    ///
    /// # Errors
    /// As [`Caller::of`]; what the work fails with is an answer of this person's.
    ///
    /// # Cancel safety
    /// As the work's.
    pub(crate) async fn answers<F, Fut>(
        service: &'a Service,
        headers: &HeaderMap,
        work: F,
    ) -> Reply<(User, Reply)>
    where
        F: FnOnce(Caller<'a>) -> Fut,
        Fut: Future<Output = Reply>,
    {
        let caller = Caller::of(service, headers).await?;
        let user = caller.user();
        Ok((user, work(caller).await))
    }

    /// Reads in a transaction of the tenant's, on the pool of what people ask for.
    ///
    /// # Errors
    /// As [`transaction::retrying`].
    ///
    /// # Cancel safety
    /// Only reads.
    pub(crate) fn read<T, F, Fut>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: Fn(TenantTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        transaction::retrying(self.ready.pools.ui.named(name).read_only(), &self.tenant, work)
    }

    /// Writes in one. A COMMIT whose answer is lost is resolved.
    ///
    /// # Errors
    /// As [`transaction::retrying`].
    ///
    /// # Cancel safety
    /// As [`transaction::retrying`].
    pub(crate) fn write<T, F, Fut>(
        &self,
        name: &'static str,
        work: F,
    ) -> impl Future<Output = Result<T>> + Send + use<'a, T, F, Fut>
    where
        T: Send,
        F: Fn(TenantTx) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T>> + Send,
    {
        transaction::retrying(self.ready.pools.ui.named(name).resolvable(), &self.tenant, work)
    }

    /// The person, or the tenant where the token names no one.
    pub(crate) fn name(&self) -> &str {
        self.person.as_deref().unwrap_or(self.tenant.as_str())
    }

    /// As the access log names it.
    pub(crate) fn user(&self) -> User {
        User::new(self.tenant.as_str())
    }
}
