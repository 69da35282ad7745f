//! Roles, and what each may do.

/// Of everything of a tenant's.
pub(crate) const EVERYTHING: &str = "admin.everything";

/// What a tenant's person may do. Each holds what [`Role::Viewer`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Looks.
    Viewer,
    /// Devices, their tags and tokens.
    DeviceManager,
    /// Alerts, their rules, escalation, who is on call.
    AlertManager,
    /// Integrations, and the routes to them.
    IntegrationManager,
    /// Subscriptions, and what was done by whom.
    TeamAdmin,
    /// Everything, also what no other role is given.
    FullAdmin,
}

/// Words of tokens and of the database.
const WORDS: [(&str, Role); 8] = [
    ("customer", Role::Viewer),
    ("viewer", Role::Viewer),
    ("device-manager", Role::DeviceManager),
    ("alert-manager", Role::AlertManager),
    ("integration-manager", Role::IntegrationManager),
    ("team-admin", Role::TeamAdmin),
    ("full-admin", Role::FullAdmin),
    ("tenant-admin", Role::FullAdmin),
];

impl Role {
    /// The role of this word, whether it is written `device-manager`, `device_manager` or `Device Manager`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let plain = |byte: u8| match byte {
            b' ' | b'_' => b'-',
            _ => byte.to_ascii_lowercase(),
        };
        let is = |name: &&(&str, Role)| name.0.bytes().eq(word.bytes().map(plain));
        WORDS.iter().find(is).map(|(_, role)| *role)
    }

    /// Whether this role has the permission.
    pub(crate) fn may(self, permission: &str) -> bool {
        let (area, verb) = permission.split_once('.').unwrap_or((permission, ""));
        let own: &[&str] = match self {
            Role::FullAdmin => return true,
            Role::Viewer => &[],
            Role::DeviceManager => &["devices", "telemetry"],
            Role::AlertManager => &["alerts", "alert_rules", "escalation", "oncall"],
            Role::IntegrationManager => &["integrations"],
            Role::TeamAdmin => &["subscriptions", "audit"],
        };
        // What was done by whom is not for everyone who may look.
        own.contains(&area) || (verb == "read" && area != "audit")
    }
}

/// Whether one of them has it.
pub(crate) fn may(roles: &[Role], permission: &str) -> bool {
    roles.iter().any(|role| role.may(permission))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_its_own_and_looks_at_the_rest() {
        for (role, may, may_not) in [
            (
                Role::Viewer,
                &["devices.read", "alerts.read"][..],
                &["devices.create", "audit.read", EVERYTHING][..],
            ),
            (
                Role::DeviceManager,
                &["devices.delete", "devices.tokens.rotate", "alerts.read"],
                &["alerts.close"],
            ),
            (
                Role::AlertManager,
                &["alerts.close", "escalation.create", "oncall.update"],
                &["devices.delete"],
            ),
            (Role::IntegrationManager, &["integrations.delete"], &["escalation.create", "audit.read"]),
            (Role::TeamAdmin, &["audit.read", "subscriptions.renew"], &["integrations.delete", EVERYTHING]),
            (Role::FullAdmin, &["devices.delete", "audit.read", EVERYTHING], &[]),
        ] {
            assert!(may.iter().all(|permission| role.may(permission)), "{role:?}");
            assert!(!may_not.iter().any(|permission| role.may(permission)), "{role:?}");
        }
        assert!(!super::may(&[], "devices.read"), "without a role nothing");
    }

    #[test]
    fn the_database_has_the_same_words() {
        let sql = include_str!("../../migrations/016_identity.sql");
        let list = sql.split("role IN (").nth(1).unwrap().split(')').next().unwrap();
        let words: Vec<_> = list.split(',').map(|word| word.trim().trim_matches('\'')).collect();
        let roles: Vec<_> = words.iter().map(|word| Role::parse(word).expect(word)).collect();
        // Two words of tokens are names for roles that have another in the database.
        let all: Vec<_> =
            WORDS.iter().filter(|(word, _)| words.contains(word)).map(|(_, role)| *role).collect();
        assert_eq!(roles, all);
        assert_eq!(words.len(), WORDS.len() - 2);
    }

    #[test]
    fn a_word_is_read_in_each_way_of_writing_it() {
        for word in ["device-manager", "Device Manager", "DEVICE_MANAGER"] {
            assert_eq!(Role::parse(word), Some(Role::DeviceManager), "{word}");
        }
        for word in ["", "devicemanager", "operator", "operator-admin", "admin", "viewer "] {
            assert_eq!(Role::parse(word), None, "{word}");
        }
    }
}
