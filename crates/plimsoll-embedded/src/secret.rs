//! A random password, so that no other user of the machine can get into a private server through its port.

use crate::error::{Error, Result};
use std::io::Read;

/// 128 bits from the kernel, in hexadecimal: no character needs quoting in a URL, an ini file or a shell.
pub(crate) fn random() -> Result<String> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(Error::io("read random bytes from", "/dev/urandom"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
