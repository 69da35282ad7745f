//! Who may look inside the service and act on its databases: those who show a token.
//!
//! A token is not looked up in a database, since an operator asks most when the database is away. Of each token only the
//! SHA-256 is kept, and what is shown is compared with all of them in constant time, so the time of an answer tells nothing
//! about how much of a guess was right. A token comes in the header `Authorization`, and never in a URL, which proxies and
//! browsers write down.
//!
//! A service that knows other tokens, such as the signed ones of an identity provider, gives a function that says whose they are
//! ([`Operators::or_verified_by`]).
//!
//! On a developer's own machine no token need be shown, if the service says so and listens on loopback. That is not yet the
//! developer asking: a page that a browser has open can send requests to loopback addresses (and, if its name resolves to one,
//! read the answers), and a proxy on the same machine sends on those of strangers. So there a request is only taken whose `Host`
//! is loopback, that no other site's page sent, and that no proxy has forwarded.

use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use plimsoll::secret::Secret;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::{Choice, ConstantTimeEq};

/// What every request must carry that acts and does not only look: a browser sends it to another site only after asking that
/// site, so no foreign page can act.
pub const X_PLIMSOLL_ACTION: HeaderName = HeaderName::from_static("x-plimsoll-action");

/// The shortest token, in bytes.
const SHORTEST: usize = 16;
/// The longest of its own, in bytes.
const LONGEST: usize = 512;
/// The longest that is shown to the service's own function, in bytes.
const LONGEST_VERIFIED: usize = 8192;
/// What a proxy adds to what it sends on.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// Who is an operator. There is none until a token is given. Cheap to clone.
///
/// ```
/// use plimsoll::secret::Secret;
/// use plimsoll_http::Operators;
///
/// # fn example() -> Result<Operators, Box<dyn std::error::Error>> {
/// let operators = Operators::default()
///     .token("anna", &Secret::from(std::env::var("OPERATOR_TOKEN")?))?
///     .or_anyone_here("127.0.0.1:8080".parse()?);
/// # Ok(operators)
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Operators {
    tokens: Arc<[Token]>,
    verify: Option<Verify>,
    anyone_here: bool,
}

/// Says whose a token is that the service knows by other means.
type Verify = Arc<dyn Fn(&str) -> Result<Option<Operator>, Problem> + Send + Sync>;

#[derive(Clone)]
struct Token {
    owner: Arc<str>,
    hash: [u8; 32],
}

/// An operator, by the name that goes with the token: what an action is logged with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    name: Arc<str>,
    may_act: bool,
}

impl Operator {
    /// An operator who may look and act, for [`Operators::or_verified_by`].
    #[must_use]
    pub fn new(name: &str) -> Self {
        Operator { name: name.into(), may_act: true }
    }

    /// The same, who may only look: [`Operators::check_action`] refuses.
    #[must_use]
    pub fn only_looks(self) -> Self {
        Operator { may_act: false, ..self }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this operator may act and not only look.
    #[must_use]
    pub fn may_act(&self) -> bool {
        self.may_act
    }
}

/// A token that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the operator's token has {0} bytes; take at least {SHORTEST} that no one can guess, such as those of `openssl rand -hex 32`"
)]
pub struct WeakToken(usize);

impl Operators {
    /// Who shows this token is the operator of that name.
    ///
    /// # Errors
    /// If the token has fewer than 16 bytes or more than 512.
    pub fn token(mut self, owner: &str, token: &Secret) -> Result<Self, WeakToken> {
        let length = token.expose().len();
        if !(SHORTEST..=LONGEST).contains(&length) {
            return Err(WeakToken(length));
        }
        let new = Token { owner: owner.into(), hash: hash(token.expose()) };
        self.tokens = self.tokens.iter().cloned().chain([new]).collect();
        Ok(self)
    }

    /// Tokens of other kinds are the service's own to judge, by this function: it is asked for each token (of at most 8 KiB) that
    /// is none of those given here. `None` is for a token that is of no kind it knows, and a problem is what the client is told.
    /// It must not wait: an operator is answered while everything else hangs.
    #[must_use]
    pub fn or_verified_by<F>(mut self, verify: F) -> Self
    where
        F: Fn(&str) -> Result<Option<Operator>, Problem> + Send + Sync + 'static,
    {
        self.verify = Some(Arc::new(verify));
        self
    }

    /// On a loopback address, requests of this machine need no token: for development. On any other this changes nothing.
    #[must_use]
    pub fn or_anyone_here(mut self, listens: SocketAddr) -> Self {
        self.anyone_here = listens.ip().is_loopback();
        self
    }

    /// Whether requests of this machine need no token.
    #[must_use]
    pub fn is_open_here(&self) -> bool {
        self.anyone_here
    }

    /// Who asks, if it is an operator.
    ///
    /// # Errors
    /// 401 and what is missing; 403 for a request that looks like another site's or a forwarded one where no token is needed.
    pub fn check(&self, headers: &HeaderMap) -> Result<Operator, Problem> {
        match headers.get(header::AUTHORIZATION) {
            Some(shown) => self.of_token(shown),
            None if self.anyone_here => is_from_here(headers).map(|()| Operator::new("local")),
            None => Err(unproved(
                "OPERATOR_TOKEN_MISSING",
                "This is for operators.",
                "Bearer realm=\"operators\"",
            )
            .advice("Send the header Authorization: Bearer <token>.")),
        }
    }

    /// The same for a request that acts. It carries [`X_PLIMSOLL_ACTION`], and its `Origin`, if it has one, is the `Host` that it
    /// was sent to.
    ///
    /// # Errors
    /// As [`Operators::check`], and 403.
    pub fn check_action(&self, headers: &HeaderMap) -> Result<Operator, Problem> {
        let operator = self.check(headers)?;
        if !operator.may_act {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "OPERATOR_ONLY_LOOKS",
                "This operator may look and not act.",
            ));
        }
        if !headers.contains_key(X_PLIMSOLL_ACTION) {
            return Err(foreign("A request that acts carries the header X-Plimsoll-Action."));
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if !is_of_host(origin, headers) => {
                Err(foreign("The request comes from a page of another site."))
            }
            _ => Ok(operator),
        }
    }

    fn of_token(&self, shown: &HeaderValue) -> Result<Operator, Problem> {
        let challenge = "Bearer realm=\"operators\", error=\"invalid_token\"";
        let other = || unproved("OPERATOR_TOKEN_INVALID", "This is no operator's token.", challenge);
        let token = bearer(shown).ok_or_else(|| other().advice("Send Authorization: Bearer <token>."))?;
        if let Some(operator) = self.of_given(token) {
            return Ok(operator);
        }
        let verified = self.verify.as_ref().map_or(Ok(None), |verify| verify(token))?;
        verified.ok_or_else(other)
    }

    fn of_given(&self, token: &str) -> Option<Operator> {
        if token.len() > LONGEST {
            return None;
        }
        let shown = hash(token);
        // Each is compared, so that the time does not tell which one it was.
        let mut found = None;
        for token in self.tokens.iter() {
            let is_same: Choice = token.hash.ct_eq(&shown);
            if is_same.into() {
                found = Some(&token.owner);
            }
        }
        found.map(|owner| Operator { name: Arc::clone(owner), may_act: true })
    }
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners: Vec<_> = self.tokens.iter().map(|token| &token.owner).collect();
        f.debug_struct("Operators")
            .field("owners", &owners)
            .field("verifies", &self.verify.is_some())
            .field("anyone_here", &self.anyone_here)
            .finish()
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The token of `Bearer <token>`.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && (1..=LONGEST_VERIFIED).contains(&token.len())).then_some(token)
}

/// Whether a request without a token is one of this machine's user.
fn is_from_here(headers: &HeaderMap) -> Result<(), Problem> {
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return Err(foreign("The request was forwarded by a proxy."));
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Err(foreign("The request comes from a page of another site."));
    }
    // HTTP/2 has its authority in the URI; there the server has seen no Host.
    let is_loopback = headers.get(header::HOST).is_none_or(|host| host.to_str().is_ok_and(is_loopback));
    if is_loopback { Ok(()) } else { Err(foreign("The request's Host is not an address of this machine.")) }
}

/// Whether a `Host` is a name of loopback, whatever its port.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Whether an `Origin` is the very host that the request was sent to.
fn is_of_host(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    matches!((origin, host), (Some((_, origin)), Some(host)) if origin.eq_ignore_ascii_case(host))
}

fn unproved(code: &'static str, title: &'static str, challenge: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, title)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn foreign(title: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "OPERATOR_FOREIGN_REQUEST", title)
        .advice("Send it straight to the service, with the header Authorization: Bearer <token>.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-of-anna";

    fn operators() -> Operators {
        let operators = Operators::default().token("anna", &TOKEN.into()).unwrap();
        operators.token("ben", &"another-token-of-ben".into()).unwrap()
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    fn told(operators: &Operators, pairs: &[(&'static str, &str)]) -> Result<String, (u16, &'static str)> {
        let told = operators.check(&headers(pairs));
        told.map(|operator| operator.name().to_owned())
            .map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[test]
    fn who_shows_a_token_is_its_owner() {
        for form in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN} ")] {
            assert_eq!(told(&operators(), &[("authorization", &form)]), Ok("anna".to_owned()), "{form}");
        }
        let of_ben = [("authorization", "Bearer another-token-of-ben")];
        assert_eq!(told(&operators(), &of_ben), Ok("ben".to_owned()));
    }

    #[test]
    fn nothing_else_is_a_token() {
        let longer = format!("Bearer {TOKEN}x");
        let shorter = format!("Bearer {}", &TOKEN[1..]);
        let long = format!("Bearer {}", "x".repeat(10_000));
        for form in ["", "Bearer", "Bearer ", "Basic YTpi", TOKEN, &longer, &shorter, &long] {
            let told = told(&operators(), &[("authorization", form)]);
            assert_eq!(told, Err((401, "OPERATOR_TOKEN_INVALID")), "{form}");
        }
        assert_eq!(told(&operators(), &[]), Err((401, "OPERATOR_TOKEN_MISSING")));
        let of_anna = format!("Bearer {TOKEN}");
        let nobody = told(&Operators::default(), &[("authorization", &of_anna)]);
        assert_eq!(nobody, Err((401, "OPERATOR_TOKEN_INVALID")));
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        for weak in ["", "short", "fifteen-letters"] {
            assert!(Operators::default().token("anna", &weak.into()).is_err(), "{weak}");
        }
        assert!(Operators::default().token("anna", &"x".repeat(513).into()).is_err());
    }

    #[test]
    fn on_loopback_those_of_this_machine_need_none() {
        let here = operators().or_anyone_here(([127, 0, 0, 1], 8080).into());
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:80", "[::1]"] {
            assert_eq!(told(&here, &[("host", host)]), Ok("local".to_owned()), "{host}");
        }
        let foreign = Err((403, "OPERATOR_FOREIGN_REQUEST"));
        for host in
            ["evil.example", "localhost.evil.example:8080", "10.0.0.1", "127.0.0.1.evil.example", "", "::1:x"]
        {
            assert_eq!(told(&here, &[("host", host)]), foreign, "{host}");
        }
        for (name, value) in [
            ("x-forwarded-for", "10.0.0.1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(told(&here, &[("host", "localhost"), (name, value)]), foreign, "{name}");
        }
        for site in ["same-origin", "none"] {
            assert!(told(&here, &[("host", "localhost"), ("sec-fetch-site", site)]).is_ok(), "{site}");
        }
        // Who shows a token is judged by it.
        let wrong = [("host", "localhost"), ("authorization", "Bearer no-token-of-anyone")];
        assert_eq!(told(&here, &wrong), Err((401, "OPERATOR_TOKEN_INVALID")));
        let elsewhere = operators().or_anyone_here(([0, 0, 0, 0], 8080).into());
        assert_eq!(told(&elsewhere, &[("host", "localhost")]), Err((401, "OPERATOR_TOKEN_MISSING")));
    }

    #[test]
    fn who_acts_must_mean_it() {
        let bearer = format!("Bearer {TOKEN}");
        let base = [("authorization", bearer.as_str()), ("host", "db.example:8080")];
        let told = |more: &[(&'static str, &str)]| {
            let all = [&base[..], more].concat();
            operators().check_action(&headers(&all)).is_ok()
        };
        assert!(!told(&[]), "no header that only a page of ours sends");
        assert!(told(&[("x-plimsoll-action", "pause")]), "a program sends no Origin");
        for origin in ["https://db.example:8080", "http://DB.example:8080"] {
            assert!(told(&[("x-plimsoll-action", "pause"), ("origin", origin)]), "{origin}");
        }
        for origin in
            ["https://evil.example", "null", "https://db.example", "https://db.example:8080.evil.example"]
        {
            assert!(!told(&[("x-plimsoll-action", "pause"), ("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn other_tokens_are_the_services_to_judge() {
        let judge = |token: &str| match token {
            "signed of carl" => Ok(Some(Operator::new("carl"))),
            "signed of dora" => Ok(Some(Operator::new("dora").only_looks())),
            "signed, too old" => Err(Problem::new(StatusCode::UNAUTHORIZED, "TOKEN_EXPIRED", "It is over.")),
            _ => Ok(None),
        };
        let both = operators().or_verified_by(judge);
        let shown = |token: &str| told(&both, &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!(shown("signed of carl"), Ok("carl".to_owned()));
        assert_eq!(shown("signed of dora"), Ok("dora".to_owned()));
        assert_eq!(shown(TOKEN), Ok("anna".to_owned()), "those given here are good as before");
        assert_eq!(shown("signed, too old"), Err((401, "TOKEN_EXPIRED")));
        for other in ["signed of no one".to_owned(), "x".repeat(8192), "x".repeat(8193)] {
            assert_eq!(shown(&other), Err((401, "OPERATOR_TOKEN_INVALID")));
        }
        let acts = |token: &str| {
            let bearer = format!("Bearer {token}");
            let pairs = [("authorization", bearer.as_str()), ("x-plimsoll-action", "pause")];
            both.check_action(&headers(&pairs)).map(|_| ()).map_err(|problem| problem.code())
        };
        assert_eq!(acts("signed of carl"), Ok(()));
        assert_eq!(acts(TOKEN), Ok(()));
        assert_eq!(acts("signed of dora"), Err("OPERATOR_ONLY_LOOKS"));
    }

    #[test]
    fn a_debug_print_holds_no_token() {
        let said = format!("{:?}", operators());
        assert!(said.contains("anna") && !said.contains("0123"), "{said}");
    }
}
