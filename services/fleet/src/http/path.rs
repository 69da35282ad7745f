//! What a path names.

use super::failure;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use plimsoll_http::Problem;
use std::str::FromStr;

/// The parts of a path.
///
/// # Errors
/// 400 where one is not UTF-8.
pub(crate) fn parts<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(parts)| parts).map_err(|_| failure::bad_request("INVALID_PATH", "the path is not UTF-8"))
}

/// A whole number, written in digits and nothing else.
pub(crate) fn whole<T: FromStr>(text: &str) -> Option<T> {
    let are_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| are_digits)
}

/// A number by which something is named: digits, from 1 on.
///
/// # Errors
/// 400 for what is none.
pub(crate) fn number(text: &str) -> Result<i64, Problem> {
    whole(text).filter(|number| *number >= 1).ok_or_else(|| {
        failure::bad_request("INVALID_ID", "the id in the path is not a whole number from 1 on")
    })
}
