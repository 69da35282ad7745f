//! Whether a database looks like one in production. It is pure, and errs on the careful side: an option says otherwise.

/// More machines than this come to a database of one developer or one staging service.
const CLIENT_HOSTS: u64 = 2;

/// In bytes. Few fill a database for tests that far.
const SIZE: u64 = 50 << 30;

/// What is known of a database and of the way to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Names of the database, the host, the role and the service.
    pub(super) names: Vec<String>,
    pub(super) standbys: u64,
    /// Machines that sessions of this database come from.
    pub(super) client_hosts: u64,
    pub(super) bytes: u64,
}

/// Every sign, in a few words each.
pub(super) fn signs(facts: &Facts) -> Vec<String> {
    let mut signs = Vec::new();
    for name in &facts.names {
        let words = name.split(|letter: char| !letter.is_alphabetic());
        let is_said =
            |word: &str| ["prod", "prd", "production", "live"].contains(&word.to_lowercase().as_str());
        if let Some(word) = words.into_iter().find(|word| is_said(word)) {
            signs.push(format!("\"{word}\" is in {name}"));
        }
    }
    if facts.standbys > 0 {
        signs.push(format!("{} standbys or subscribers follow the server", facts.standbys));
    }
    if facts.client_hosts > CLIENT_HOSTS {
        signs.push(format!("its sessions come from {} machines", facts.client_hosts));
    }
    if facts.bytes > SIZE {
        signs.push(format!("it has {} GB", facts.bytes >> 30));
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_seen_by_name_standbys_clients_and_size() {
        let named = |name: &str| signs(&Facts { names: vec![name.to_owned()], ..Facts::default() });
        for name in ["orders_prod", "prod-db-1", "db.production.example", "LIVE", "http://orders.live/"] {
            assert_eq!(named(name).len(), 1, "{name}");
        }
        for name in ["products", "delivery", "orders_staging", "liver", "reprod"] {
            assert!(named(name).is_empty(), "{name}");
        }
        let facts = Facts { standbys: 1, client_hosts: 3, bytes: 60 << 30, ..Facts::default() };
        assert_eq!(signs(&facts).len(), 3);
        assert!(signs(&Facts { client_hosts: 2, bytes: 1 << 30, ..Facts::default() }).is_empty());
    }
}
