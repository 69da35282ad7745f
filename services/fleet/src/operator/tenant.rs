//! A tenant as operators write it, and what becomes of it. No database here.

use super::OperatorRefusal;
use super::filter::invalid;
use crate::tenants::TenantId;
use crate::text;
use serde::Deserialize;

/// The state of a tenant. The table has the same list in a CHECK; a test compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantStatus {
    /// Its people and devices are let in.
    Active,
    /// Neither is; everything stays.
    Suspended,
    /// It is gone; its rows stay for the record.
    Deleted,
}

impl TenantStatus {
    /// Every state.
    pub const ALL: [TenantStatus; 3] = [TenantStatus::Active, TenantStatus::Suspended, TenantStatus::Deleted];

    /// As the database and the API write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TenantStatus::Active => "ACTIVE",
            TenantStatus::Suspended => "SUSPENDED",
            TenantStatus::Deleted => "DELETED",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether a tenant in this state may come into that one. To stay is no change and no mistake.
    #[must_use]
    pub fn may_become(self, next: TenantStatus) -> bool {
        self != TenantStatus::Deleted || next == TenantStatus::Deleted
    }
}

/// A new tenant as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    tenant_id: String,
    name: String,
}

/// A new tenant that can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub id: TenantId,
    /// Its name, for people.
    pub name: String,
}

impl NewTenant {
    /// The draft.
    ///
    /// # Errors
    /// For an id or a name that cannot be one.
    pub fn checked(self) -> Result<Draft, OperatorRefusal> {
        let id = TenantId::parse(&self.tenant_id).ok_or_else(|| {
            invalid("tenant_id has up to 64 letters, digits, _ and -, and begins with a letter or digit")
        })?;
        Ok(Draft { id, name: name(&self.name)? })
    }
}

/// A change of a tenant as it is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantChange {
    name: Option<String>,
    status: Option<String>,
}

/// A change that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name from now on.
    pub name: Option<String>,
    /// Its state from now on.
    pub status: Option<TenantStatus>,
}

impl TenantChange {
    /// The change.
    ///
    /// # Errors
    /// For what cannot be, and for nothing.
    pub fn checked(self) -> Result<Change, OperatorRefusal> {
        let unknown = || invalid("status is ACTIVE, SUSPENDED or DELETED");
        let status = self.status.map(|said| TenantStatus::parse(&said).ok_or_else(unknown)).transpose()?;
        let name = self.name.map(|said| name(&said)).transpose()?;
        if name.is_none() && status.is_none() {
            return Err(invalid("the body names nothing that is to be changed: name, status"));
        }
        Ok(Change { name, status })
    }
}

impl Change {
    /// The tenant is deleted.
    #[must_use]
    pub fn deletion() -> Self {
        Change { name: None, status: Some(TenantStatus::Deleted) }
    }

    /// What it is called in the record.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self.status {
            Some(TenantStatus::Active) => "tenants.reactivate",
            Some(TenantStatus::Suspended) => "tenants.suspend",
            Some(TenantStatus::Deleted) => "tenants.delete",
            None => "tenants.rename",
        }
    }
}

fn name(said: &str) -> Result<String, OperatorRefusal> {
    text::line(said, 200).ok_or_else(|| invalid("name has 1 to 200 characters, and no control characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deleted_stays_so() {
        use TenantStatus::{Active, Deleted, Suspended};
        for next in TenantStatus::ALL {
            assert!(Active.may_become(next) && Suspended.may_become(next));
            assert_eq!(Deleted.may_become(next), next == Deleted);
        }
    }

    #[test]
    fn a_change_changes_something() {
        let of = |text: &str| serde_json::from_str::<TenantChange>(text).unwrap().checked();
        assert_eq!(of(r#"{"status":"SUSPENDED"}"#).unwrap().action(), "tenants.suspend");
        for wrong in ["{}", r#"{"status":"suspended"}"#, r#"{"name":""}"#, r#"{"name":"a\u0000"}"#] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        let new = |id: &str| NewTenant { tenant_id: id.to_owned(), name: "n".to_owned() }.checked();
        assert!(
            new("acme").is_ok() && new("").is_err() && new("a.b").is_err() && new(&"a".repeat(65)).is_err()
        );
    }
}
