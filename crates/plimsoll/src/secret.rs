//! Secrets: texts that are never printed, and passwords.
//!
//! A password that is a plain `String` is safe only until a struct that contains it derives `Debug`, an error quotes
//! it, or the settings are printed during a search for something else. A [`Secret`] cannot be printed by accident:
//! `Debug` and `Display` print three stars, and the text is returned by one method whose name says what it does.
//!
//! A [`Password`] is either such a text, or a source that is asked for one. Cloud databases issue tokens that live for
//! fifteen minutes, and vaults rotate passwords; a password that is read once at start would then fail at the first
//! reconnect. So a [`PasswordProvider`] is asked at every connect, within the limit of that connect. This file does no
//! I/O; the connect asks.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserialize;

/// An error of other code, kept as the cause of one of this crate.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A text that prints as three stars.
///
/// ```
/// # use plimsoll::secret::Secret;
/// let secret = Secret::from("hunter2");
/// assert_eq!(format!("{secret} {secret:?}"), "*** ***");
/// assert_eq!(secret.expose(), "hunter2");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the code that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The future that a [`PasswordProvider`] returns.
pub type PasswordFuture<'a> = Pin<Box<dyn Future<Output = Result<Secret, BoxError>> + Send + 'a>>;

/// A source of the current password.
///
/// Every function or closure without arguments that returns such a future is one:
///
/// ```
/// use plimsoll::secret::{Password, Secret};
///
/// async fn token_of_the_quarter_hour() -> Result<Secret, std::io::Error> {
///     Ok(Secret::from("a fresh token"))
/// }
/// let password = Password::asked_of(token_of_the_quarter_hour);
/// ```
pub trait PasswordProvider: Send + Sync {
    /// The password to connect with now; called at every connect.
    ///
    /// # Cancel Safety
    ///
    /// The future is dropped when the limit of the connect passes, so dropping it must be harmless.
    fn password(&self) -> PasswordFuture<'_>;
}

impl<F, Fut, S, E> PasswordProvider for F
where
    F: Fn() -> Fut + Send + Sync,
    Fut: Future<Output = Result<S, E>> + Send + 'static,
    S: Into<Secret>,
    E: Into<BoxError>,
{
    fn password(&self) -> PasswordFuture<'_> {
        let answer = self();
        Box::pin(async move { answer.await.map(Into::into).map_err(Into::into) })
    }
}

/// Where a password comes from.
#[derive(Clone)]
#[non_exhaustive]
pub enum Password {
    /// Always the same text.
    Fixed(Secret),
    /// Asked for at every connect.
    Provider(Arc<dyn PasswordProvider>),
}

impl Password {
    /// A password that is asked for at every connect.
    pub fn asked_of(provider: impl PasswordProvider + 'static) -> Self {
        Self::Provider(Arc::new(provider))
    }
}

impl<S: Into<Secret>> From<S> for Password {
    fn from(text: S) -> Self {
        Self::Fixed(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(_) => f.write_str("***"),
            Self::Provider(_) => f.write_str("asked for at each connect"),
        }
    }
}
