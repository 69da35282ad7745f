//! The command `plimsoll`. Everything it does is in the library beside it, where tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    plimsoll_cli::run()
}
