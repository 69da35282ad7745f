//! What a body may be: JSON in UTF-8, as it is.
//!
//! A body that is compressed is not unpacked: a device that does so is told, with the header that says what is taken. A
//! body that says it is XML is not read as JSON in the hope that it is. Who says nothing sends JSON, and so does `curl -d`,
//! which says `application/x-www-form-urlencoded` of whatever it sends.

use super::failure::Reply;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use plimsoll_http::Problem;

/// Whether the headers promise a body that is read here.
pub(crate) fn check(headers: &HeaderMap) -> Reply<()> {
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|said| !is_identity(said)) {
        let title = "the body has a Content-Encoding, and none is unpacked here: send it as it is, without that header";
        let takes = (header::ACCEPT_ENCODING, "identity");
        return Err(unsupported("UNSUPPORTED_CONTENT_ENCODING", title, takes).into());
    }
    match headers.get(header::CONTENT_TYPE) {
        Some(said) if !is_json(said) => {
            let title = "the body is JSON in UTF-8: send it with Content-Type: application/json";
            let takes = (header::ACCEPT, "application/json");
            Err(unsupported("UNSUPPORTED_MEDIA_TYPE", title, takes).into())
        }
        _ => Ok(()),
    }
}

/// With the header that tells how it would be right.
fn unsupported(
    code: &'static str,
    title: &'static str,
    (name, value): (HeaderName, &'static str),
) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, title)
        .header(name, HeaderValue::from_static(value))
}

fn is_identity(said: &HeaderValue) -> bool {
    let is_none = |coding: &str| matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity");
    said.to_str().is_ok_and(|said| said.split(',').all(is_none))
}

fn is_json(said: &HeaderValue) -> bool {
    let Ok(said) = said.to_str() else { return false };
    let said = said.to_ascii_lowercase();
    let mut parts = said.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let is_json = matches!(kind, "application/json" | "text/json" | "application/x-www-form-urlencoded")
        || (kind.starts_with("application/") && kind.ends_with("+json"));
    let other_charset = |part: &str| {
        part.split_once('=').is_some_and(|(name, value)| {
            name.trim() == "charset"
                && !matches!(value.trim().trim_matches('"'), "utf-8" | "utf8" | "us-ascii")
        })
    };
    is_json && !parts.any(other_charset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: header::HeaderName, value: &'static str) -> Option<&'static str> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        check(&headers).err().map(|failure| failure.problem().code())
    }

    #[test]
    fn only_what_is_not_encoded_is_read() {
        for value in ["", "identity", "Identity", "identity, identity"] {
            assert_eq!(told(header::CONTENT_ENCODING, value), None, "{value}");
        }
        for value in ["gzip", "GZIP", "x-gzip", "br", "zstd", "deflate", "identity, gzip", "aes128gcm"] {
            assert_eq!(
                told(header::CONTENT_ENCODING, value),
                Some("UNSUPPORTED_CONTENT_ENCODING"),
                "{value}"
            );
        }
    }

    #[test]
    fn only_json_is_read_as_json() {
        for value in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/senml+json",
            "text/json",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(told(header::CONTENT_TYPE, value), None, "{value}");
        }
        for value in [
            "text/xml",
            "application/xml",
            "text/plain",
            "text/csv",
            "application/cbor",
            "application/octet-stream",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "json",
            "",
        ] {
            assert_eq!(told(header::CONTENT_TYPE, value), Some("UNSUPPORTED_MEDIA_TYPE"), "{value}");
        }
    }
}
