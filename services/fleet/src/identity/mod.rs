//! Who people are: signed tokens of an identity provider, the roles in them, and their revocation.
//!
//! People come in by one door, [`Caller::of`](crate::caller), whatever token they show. The token of an operator is judged here
//! too, by [`operators`]; operators ask most when the database is away, so nothing there waits for it.
//!
//! | file | what is in it |
//! |---|---|
//! | [`config`] | which keys, which issuer and audience, how long a token may live |
//! | [`refusal`] | why a token is not accepted |
//! | [`keys`], [`jwks`] | keys that verify; those of a provider, kept and fetched anew |
//! | [`claims`], [`verify`] | what a token says; whether it is to be believed |
//! | [`roles`], [`permissions`], [`route`] | what a role may do, what a path needs, which path was asked for |
//! | [`provider`] | all of it together, as the service holds it |
//! | [`operators`], [`revocations`] | the tokens of operators; what was revoked, and by whom |
//! | [`development`] | a key and tokens of the service's own, for the first hour |

pub(crate) mod claims;
pub mod config;
pub mod development;
pub(crate) mod jwks;
pub(crate) mod keys;
pub(crate) mod operators;
pub(crate) mod permissions;
pub(crate) mod provider;
pub mod refusal;
pub(crate) mod revocations;
pub(crate) mod roles;
pub(crate) mod route;
pub(crate) mod routes;
pub(crate) mod verify;

pub use provider::{Identity, IdentityError};

#[cfg(test)]
mod tests {
    use super::roles::Role;
    use std::fs;
    use std::path::Path;

    /// Every file here, as one text.
    fn sources(folder: &Path) -> String {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let read =
            |path: &Path| if path.is_dir() { sources(path) } else { fs::read_to_string(path).unwrap() };
        entries.map(|path| read(&path)).collect()
    }

    #[test]
    fn the_guide_names_what_exists_and_all_of_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let guide = fs::read_to_string(root.join("../../docs/guides/identity.md")).unwrap();
        let source = sources(&root.join("src"));
        let words = |text: &str| -> Vec<String> {
            let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            let is_one =
                |word: &&str| ["TOKEN_", "FLEET_J"].iter().any(|of| word.starts_with(of) && word.len() > 8);
            words.filter(is_one).map(str::to_owned).collect()
        };
        for word in words(&guide) {
            assert!(
                source.contains(&format!("\"{word}\"")) || source.contains(&format!("`{word}`")),
                "{word}"
            );
        }
        let told = fs::read_to_string(root.join("src/identity/refusal.rs")).unwrap();
        let read = fs::read_to_string(root.join("src/identity/config.rs")).unwrap();
        for word in words(&told).into_iter().chain(words(&read)) {
            assert!(guide.contains(&format!("`{word}`")), "the guide does not tell of {word}");
        }
        let roles = guide.split("## Roles").nth(1).unwrap().split("Operators have").next().unwrap();
        let rows = roles.lines().filter(|line| line.starts_with("| `\""));
        let named = rows.flat_map(|line| line.split('|').nth(1).unwrap().split('`').skip(1).step_by(2));
        assert_eq!(
            named.map(|name| Role::parse(name.trim_matches('"')).map(drop)).collect::<Vec<_>>(),
            [Some(()); 8]
        );
    }
}
