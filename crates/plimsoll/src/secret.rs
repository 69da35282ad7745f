//! What must never be printed has a type of its own.
//!
//! A password that is a plain `String` is safe only as long as nobody derives `Debug` on whatever holds it, logs an
//! error that quotes it, or prints a settings struct while looking for something else. [`Secret`] turns that into
//! something that cannot happen by accident: both `Debug` and `Display` print three stars, and the text comes out by
//! one method whose name says what it does.
//!
//! A [`Password`] is either such a text, or something that can be asked for one. Cloud databases hand out tokens that
//! live for fifteen minutes, and vaults rotate; a password read once at start would then work until the first
//! reconnect and fail ever after. So a [`PasswordProvider`] is asked again at every connect, inside the limit of that
//! connect. Nothing here asks it, and nothing here does I/O.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Deserialize;

/// An error of somebody else's making, carried along as the cause of ours.
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
    /// The text itself, for the one place that has to send it.
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

/// The future of an answer from a [`PasswordProvider`].
pub type PasswordFuture<'a> = Pin<Box<dyn Future<Output = Result<Secret, BoxError>> + Send + 'a>>;

/// Something that knows the password of the moment.
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
    /// The password to connect with now; asked at every connect.
    ///
    /// # Cancel Safety
    ///
    /// The future is dropped when the limit of the connect passes. Whatever it had begun must bear that.
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

/// How a password is come by.
#[derive(Clone)]
#[non_exhaustive]
pub enum Password {
    /// Always the same text.
    Fixed(Secret),
    /// Asked for at each connect.
    Provider(Arc<dyn PasswordProvider>),
}

impl Password {
    /// A password that is asked for at each connect.
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
