//! The end of tokens before their time.

use super::ingest::TENANT_ID;
use crate::openapi::operation::{Described, operator};
use crate::openapi::schema::{about, flag, like, line, or_null, with};

pub(super) fn all() -> Vec<Described> {
    let body = with(
        [],
        [
            ("tenant_id", or_null(like(TENANT_ID))),
            ("jti", or_null(about(line(255), "That signed token."))),
            ("sub", or_null(about(line(255), "What that person was given until now."))),
            ("all", about(flag(), "What anyone was given until now.")),
            ("access_token", or_null(about(line(255), "The service's own tokens of that label."))),
        ],
    );
    let one = operator(
        "post",
        "/operator/revocations",
        "revokeTokens",
        "Ends tokens before their time; names one of four",
    );
    vec![one.takes(body).gives_nothing("They are accepted no more.").refused(&[404])]
}
