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
