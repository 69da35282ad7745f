//! The password of one connect: the settings', a provider's, or that of a password file.
//!
//! A provider and a file are asked at each connect, because what they hold may change while the program runs. What a file did not
//! give is told by the error of a login that failed: "there is no line for this server" is the answer to a question that the
//! server's own message leaves open.

use super::connect::Connector;
use crate::error::{Error, Outcome, Phase, Result};
use crate::fault::Fault;
use crate::secret::{Password, Secret};
use crate::settings::Host;
use crate::settings::passfile::{Lookup, look};
use std::path::Path;

/// What a connect has for a password.
#[derive(Default)]
pub(super) struct GivenPassword {
    pub(super) secret: Option<Secret>,
    /// Why the password file gave none.
    missing: Option<String>,
    /// The password file is there and was not used; its owner wants to know.
    pub(super) refused: Option<String>,
}

impl GivenPassword {
    /// The error of the connect, which tells what was wrong with the password file if the login failed.
    pub(super) fn explained(&self, error: Error) -> Error {
        match self.missing.as_ref().or(self.refused.as_ref()) {
            Some(why) if error.fault() == Fault::Authentication => error.and(why),
            _ => error,
        }
    }
}

impl Connector {
    /// The password for a host.
    pub(super) async fn password(&self, host: &Host) -> Result<GivenPassword> {
        match (self.plan.password(), self.plan.passfile()) {
            (None, None) => Ok(GivenPassword::default()),
            (None, Some(file)) => Ok(self.password_in(file, host).await),
            (Some(Password::Fixed(secret)), _) => {
                Ok(GivenPassword { secret: Some(secret.clone()), ..GivenPassword::default() })
            }
            (Some(Password::Provider(provider)), _) => match provider.password().await {
                Ok(secret) => Ok(GivenPassword { secret: Some(secret), ..GivenPassword::default() }),
                Err(cause) => Err(Error::new(
                    Fault::Unreachable,
                    Phase::Connect,
                    Outcome::NotStarted,
                    format!("the password provider gave no password: {cause}"),
                )
                .caused_by(cause)),
            },
        }
    }

    /// Reads the file where no other task waits for it.
    async fn password_in(&self, file: &Path, host: &Host) -> GivenPassword {
        let (file, host) = (file.to_owned(), host.clone());
        let (dbname, user) = (self.plan.dbname().to_owned(), self.plan.user().to_owned());
        let found = tokio::task::spawn_blocking(move || look(&file, &host, &dbname, &user)).await;
        match found {
            Ok(Lookup::Found(secret)) => GivenPassword { secret: Some(secret), ..GivenPassword::default() },
            Ok(Lookup::None(why)) => GivenPassword { missing: Some(why), ..GivenPassword::default() },
            Ok(Lookup::Refused(why)) => GivenPassword { refused: Some(why), ..GivenPassword::default() },
            // The runtime is being shut down.
            Err(_) => GivenPassword::default(),
        }
    }
}
