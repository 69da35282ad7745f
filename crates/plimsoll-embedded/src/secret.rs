//! A random password, so that no other user of the machine can get into a private server through its port.
//!
//! It begins with a word that is nowhere else. A password that was printed, in a log or an error message, is found by it:
//! `scripts/planted` looks for it in everything that the tests of this repository print.

use crate::error::{Error, Result};
use std::io::Read;

/// The beginning of every password.
const PLANTED: &str = "neverprinted";

/// 128 bits from the kernel, in hexadecimal: no character needs quoting in a URL, an ini file or a shell.
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(Error::io("read random bytes from", "/dev/urandom"))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{PLANTED}{digits}"))
}
