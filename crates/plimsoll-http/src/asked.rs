//! How much time a client gives its request: `X-Request-Timeout-Ms` in milliseconds, or `grpc-timeout` as gRPC writes it.
//!
//! A client that waits for two seconds is not helped by an answer after ten, and the work for it is lost. So it may lower
//! the deadline of its request. It cannot raise it, or one client could hold a connection for an hour: what is longer than
//! the service's own limit is the service's own limit.
//!
//! A value that cannot be read is refused (400) and not passed over. A client that has said how long it waits would else be
//! served by another limit than the one it goes by, and that would not be noticed. Where several are given, the shortest
//! holds. Zero is well formed: the time is over already.

use axum::http::{HeaderMap, HeaderName};
use std::time::Duration;

/// The client's limit in milliseconds.
pub const X_REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
/// The client's limit as gRPC writes it.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most digits of a number of milliseconds; more is no limit that anyone means, but an attempt at something else.
const DIGITS: usize = 12;
/// The most digits that gRPC allows.
const GRPC_DIGITS: usize = 8;

/// A header that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) HeaderName);

/// How much time the client gives, if it says so.
pub(crate) fn time(headers: &HeaderMap) -> Result<Option<Duration>, Malformed> {
    let ms = shortest(headers, X_REQUEST_TIMEOUT_MS, milliseconds)?;
    let grpc = shortest(headers, GRPC_TIMEOUT, grpc)?;
    Ok(ms.into_iter().chain(grpc).min())
}

fn shortest(
    headers: &HeaderMap,
    name: HeaderName,
    read: impl Fn(&[u8]) -> Option<Duration>,
) -> Result<Option<Duration>, Malformed> {
    let mut shortest: Option<Duration> = None;
    for value in headers.get_all(&name) {
        let Some(span) = read(value.as_bytes()) else { return Err(Malformed(name)) };
        shortest = Some(shortest.map_or(span, |other| other.min(span)));
    }
    Ok(shortest)
}

/// Digits only: no sign, no point, no unit, no space.
fn number(text: &[u8], most: usize) -> Option<u64> {
    let is_number = (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |sum: u64, digit| sum.saturating_mul(10) + u64::from(digit - b'0')))
}

fn milliseconds(text: &[u8]) -> Option<Duration> {
    number(text, DIGITS).map(Duration::from_millis)
}

/// One to eight digits and a unit: hours, minutes, seconds, milliseconds, microseconds, nanoseconds.
fn grpc(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    let count = number(digits, GRPC_DIGITS)?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn asked(pairs: &[(HeaderName, &str)]) -> Result<Option<Duration>, Malformed> {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        time(&pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect())
    }

    #[test]
    fn the_shortest_holds() {
        let ms = Duration::from_millis;
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&[(X_REQUEST_TIMEOUT_MS, "250")]), Ok(Some(ms(250))));
        assert_eq!(asked(&[(X_REQUEST_TIMEOUT_MS, "0")]), Ok(Some(Duration::ZERO)));
        assert_eq!(asked(&[(X_REQUEST_TIMEOUT_MS, "250"), (X_REQUEST_TIMEOUT_MS, "90")]), Ok(Some(ms(90))));
        assert_eq!(asked(&[(X_REQUEST_TIMEOUT_MS, "250"), (GRPC_TIMEOUT, "1S")]), Ok(Some(ms(250))));
        for (text, span) in [("1H", ms(3_600_000)), ("2M", ms(120_000)), ("3S", ms(3000)), ("4m", ms(4))] {
            assert_eq!(asked(&[(GRPC_TIMEOUT, text)]), Ok(Some(span)));
        }
        assert_eq!(asked(&[(GRPC_TIMEOUT, "5u")]), Ok(Some(Duration::from_micros(5))));
        assert_eq!(asked(&[(GRPC_TIMEOUT, "99999999n")]), Ok(Some(Duration::from_nanos(99_999_999))));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in ["", "-1", "+5", "1.5", "1e3", "12s", " 5", "5 ", "0x10", "\u{664}", "9999999999999"] {
            assert_eq!(
                asked(&[(X_REQUEST_TIMEOUT_MS, text)]),
                Err(Malformed(X_REQUEST_TIMEOUT_MS)),
                "{text:?}"
            );
        }
        for text in ["", "S", "5", "5s", "5 S", "-5S", "999999999S", "1.5S", "5SS"] {
            assert_eq!(asked(&[(GRPC_TIMEOUT, text)]), Err(Malformed(GRPC_TIMEOUT)), "{text:?}");
        }
        let one_is_wrong = [(X_REQUEST_TIMEOUT_MS, "5"), (X_REQUEST_TIMEOUT_MS, "soon")];
        assert_eq!(asked(&one_is_wrong), Err(Malformed(X_REQUEST_TIMEOUT_MS)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let is_ms = (1..=DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(milliseconds(&text).is_some(), is_ms);
            let _ = grpc(&text);
        }

        #[test]
        fn what_grpc_writes_is_read(count in 0u64..=99_999_999, unit in "[HMSmun]") {
            let text = format!("{count}{unit}");
            prop_assert!(grpc(text.as_bytes()).is_some());
        }
    }
}
