//! The word that something is to be done, in every command that changes something.

use clap::Args;

/// Whether something is only shown, done after a question, or done.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Consent {
    /// Do it; without this or --yes it is only shown. Where a command asks before it does something, it asks
    #[arg(long, conflicts_with = "yes", help_heading = "Doing it")]
    pub(crate) run: bool,

    /// Do it without being asked
    #[arg(long, short = 'y', help_heading = "Doing it")]
    pub(crate) yes: bool,

    /// Only show what would be done, which is so without --run and --yes too
    #[arg(long, conflicts_with_all = ["run", "yes"], help_heading = "Doing it")]
    pub(crate) dry_run: bool,
}

impl Consent {
    /// Something is to be changed, and not only to be shown.
    pub(crate) fn does(&self) -> bool {
        (self.run || self.yes) && !self.dry_run
    }
}
