//! Reading SQL as the server reads it, as far as anything here depends on it.

pub(crate) mod nature;
