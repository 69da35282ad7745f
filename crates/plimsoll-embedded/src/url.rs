//! Connection URLs, with what is special in them escaped.

/// `postgresql://user:password@host:port/database`
pub(crate) fn tcp(user: &str, password: &str, host: &str, port: u16, database: &str) -> String {
    let colon = if password.is_empty() { "" } else { ":" };
    format!("postgresql://{}{colon}{}@{host}:{port}/{}", escape(user), escape(password), escape(database))
}

/// Everything but letters, digits and `-._~` as `%xx`.
pub(crate) fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_special_is_escaped() {
        assert_eq!(
            super::tcp("a@b", "p/w", "127.0.0.1", 1, "d b"),
            "postgresql://a%40b:p%2Fw@127.0.0.1:1/d%20b"
        );
        assert_eq!(super::tcp("a", "", "127.0.0.1", 1, "d"), "postgresql://a@127.0.0.1:1/d");
    }
}
