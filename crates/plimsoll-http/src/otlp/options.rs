//! What may be set, and what the `OTEL_` variables say where it is not.

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use plimsoll::secret::Secret;
use std::time::Duration;

/// Where the spans go, and how many of them. What is `None` is taken from the standard variables, and without these from
/// their defaults.
///
/// ```
/// use plimsoll_http::otlp::OtlpOptions;
///
/// let options = OtlpOptions {
///     endpoint: Some("https://collector.example".into()),
///     headers: vec![("authorization".into(), "Bearer hunter2".into())],
///     share: Some(0.1),
///     ..Default::default()
/// };
/// assert!(!format!("{options:?}").contains("hunter2"));
/// ```
#[derive(Clone, Debug)]
pub struct OtlpOptions {
    /// The collector's address, to which `/v1/traces` is added. Else `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, else
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with that addition, else `http://localhost:4318`. A secret, since some collectors
    /// have a token in their path.
    pub endpoint: Option<Secret>,
    /// `service.name`. Else `OTEL_SERVICE_NAME`, or what `OTEL_RESOURCE_ATTRIBUTES` says.
    pub service: Option<String>,
    /// Headers of each request to the collector, such as `authorization`. Those of `OTEL_EXPORTER_OTLP_TRACES_HEADERS`, or
    /// else `OTEL_EXPORTER_OTLP_HEADERS`, are sent too; these here win.
    pub headers: Vec<(String, Secret)>,
    /// Which share of the traces that begin here is given, 0.0 to 1.0. A trace that came with a request is given if its
    /// `traceparent` says so. Else `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`, else all.
    pub share: Option<f64>,
    /// How many spans may wait for the collector. Else `OTEL_BSP_MAX_QUEUE_SIZE`, else 2,048; a span has about 2 kB.
    pub queue: Option<usize>,
    /// How long the collector may take for a request. Else `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` or
    /// `OTEL_EXPORTER_OTLP_TIMEOUT` in milliseconds, else 10 s.
    pub timeout: Option<Duration>,
    /// How long a guard that is dropped without a stop may wait for the collector. Default 2 s.
    pub at_drop: Duration,
}

impl Default for OtlpOptions {
    fn default() -> Self {
        OtlpOptions {
            endpoint: None,
            service: None,
            headers: Vec::new(),
            share: None,
            queue: None,
            timeout: None,
            at_drop: Duration::from_secs(2),
        }
    }
}

/// Why there is no layer. No text holds an endpoint or a header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OtlpError {
    /// The collector's address.
    #[error(
        "{0} is not the address of a collector: http:// or https://, a host, and no user or password in it"
    )]
    Endpoint(&'static str),
    /// A header.
    #[error(
        "the header {0:?} of the collector's requests cannot be sent: its name or its value is malformed"
    )]
    Header(String),
    /// A number or a time.
    #[error("{0}")]
    Value(String),
    /// Another protocol is asked for.
    #[error("{0} asks for a protocol other than http/protobuf, which is the only one that is spoken")]
    Protocol(&'static str),
    /// TLS.
    #[error("no TLS to the collector: {0}")]
    Tls(String),
    /// The exporter.
    #[error("the exporter cannot be built: {0}")]
    Exporter(String),
    /// The runtime of the export's thread.
    #[error("the export has no runtime: {0}")]
    Runtime(#[from] std::io::Error),
}

/// What was checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) endpoint: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_encrypted: bool,
    pub(super) service: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) share: Option<f64>,
    pub(super) queue: usize,
    pub(super) timeout: Duration,
    pub(super) at_drop: Duration,
}

const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

impl Plan {
    /// Checks the options, and what these variables say.
    pub(super) fn of(
        options: OtlpOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Plan, OtlpError> {
        // An empty variable is one that is not set.
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if let Some(named) = PROTOCOLS.into_iter().find_map(|name| Some((name, variable(name)?)))
            && named.1.trim() != "http/protobuf"
        {
            return Err(OtlpError::Protocol(named.0));
        }
        let (endpoint, host, port) = endpoint(options.endpoint, &variable)?;
        let share = options.share;
        if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(OtlpError::Value("the share of traces is a number from 0.0 to 1.0".to_owned()));
        }
        let queue = options
            .queue
            .map_or_else(|| number("OTEL_BSP_MAX_QUEUE_SIZE", &variable), |size| Ok(Some(size)))?;
        let millis = TIMEOUTS.into_iter().find(|name| variable(name).is_some());
        let timeout = match (options.timeout, millis) {
            (Some(timeout), _) => Some(timeout),
            (None, Some(name)) => number(name, &variable)?.map(|millis| Duration::from_millis(millis as u64)),
            (None, None) => None,
        };
        let headers = options.headers.into_iter().map(header).collect::<Result<_, _>>()?;
        Ok(Plan {
            is_encrypted: endpoint.scheme() == Some(&Scheme::HTTPS),
            endpoint,
            host,
            port,
            service: options.service,
            headers,
            share,
            queue: queue.unwrap_or(2_048).max(1),
            timeout: timeout.unwrap_or(Duration::from_secs(10)).max(Duration::from_millis(1)),
            at_drop: options.at_drop,
        })
    }
}

/// The whole address, its host and its port.
fn endpoint(
    said: Option<Secret>,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(Uri, String, u16), OtlpError> {
    let base = |text: String| format!("{}/v1/traces", text.trim().trim_end_matches('/'));
    let (source, text) = match (said, variable(TRACES_ENDPOINT), variable(ENDPOINT)) {
        (Some(said), ..) => ("the option `endpoint`", base(said.expose().to_owned())),
        (None, Some(whole), _) => (TRACES_ENDPOINT, whole.trim().to_owned()),
        (None, None, Some(text)) => (ENDPOINT, base(text)),
        (None, None, None) => ("the default", base("http://localhost:4318".to_owned())),
    };
    let uri: Uri = text.parse().map_err(|_| OtlpError::Endpoint(source))?;
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(OtlpError::Endpoint(source)),
    };
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or(OtlpError::Endpoint(source))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(default_port);
    if host.is_empty() {
        return Err(OtlpError::Endpoint(source));
    }
    Ok((uri, host, port))
}

fn header((name, value): (String, Secret)) -> Result<(HeaderName, HeaderValue), OtlpError> {
    let parsed = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.expose()));
    let (Ok(parsed), Ok(mut value)) = parsed else { return Err(OtlpError::Header(name)) };
    // Debug output of headers leaves its value out.
    value.set_sensitive(true);
    Ok((parsed, value))
}

fn number(name: &str, variable: &impl Fn(&str) -> Option<String>) -> Result<Option<usize>, OtlpError> {
    let read = |text: String| {
        text.trim().parse().map_err(|_| OtlpError::Value(format!("{name} is not a whole number: {text:?}")))
    };
    variable(name).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn plan(options: OtlpOptions, variables: &[(&str, &str)]) -> Result<Plan, OtlpError> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Plan::of(options, |name| variables.get(name).map(|value| (*value).to_owned()))
    }

    fn at(endpoint: &str) -> OtlpOptions {
        OtlpOptions { endpoint: Some(endpoint.into()), ..Default::default() }
    }

    #[test]
    fn the_option_wins_over_the_variable_for_traces_and_that_over_the_one_for_all() {
        let both = [(TRACES_ENDPOINT, "http://traces:1/as/it/is"), (ENDPOINT, "https://all:2/base/")];
        let shown = |plan: Plan| (plan.endpoint.to_string(), plan.host, plan.port, plan.is_encrypted);
        let expected = |uri: &str, host: &str, port, tls| (uri.to_owned(), host.to_owned(), port, tls);
        assert_eq!(
            shown(plan(at("https://own"), &both).unwrap()),
            expected("https://own/v1/traces", "own", 443, true)
        );
        assert_eq!(
            shown(plan(OtlpOptions::default(), &both).unwrap()),
            expected("http://traces:1/as/it/is", "traces", 1, false)
        );
        assert_eq!(
            shown(plan(OtlpOptions::default(), &both[1..]).unwrap()),
            expected("https://all:2/base/v1/traces", "all", 2, true)
        );
        assert_eq!(
            shown(plan(OtlpOptions::default(), &[(ENDPOINT, "")]).unwrap()),
            expected("http://localhost:4318/v1/traces", "localhost", 4318, false)
        );
        assert_eq!(plan(at("http://[::1]:9"), &[]).unwrap().host, "::1");
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_not_repeated() {
        for wrong in ["", "collector:4317", "ftp://x", "http://", "http://user:hunter2@host", "http://a b"] {
            let error = plan(at(wrong), &[]).expect_err(wrong).to_string();
            assert!(error.contains("the option `endpoint`") && !error.contains("hunter2"), "{error}");
        }
        let grpc = plan(OtlpOptions::default(), &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err();
        assert!(matches!(grpc, OtlpError::Protocol("OTEL_EXPORTER_OTLP_PROTOCOL")), "{grpc}");
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(plan(OtlpOptions { share: Some(share), ..Default::default() }, &[]).is_err(), "{share}");
        }
        let headers = vec![("authorization".to_owned(), Secret::from("hunter2\n"))];
        let error = plan(OtlpOptions { headers, ..Default::default() }, &[]).unwrap_err().to_string();
        assert!(error.contains("authorization") && !error.contains("hunter2"), "{error}");
        assert!(plan(OtlpOptions::default(), &[("OTEL_BSP_MAX_QUEUE_SIZE", "many")]).is_err());
    }

    #[test]
    fn numbers_come_from_the_options_then_the_variables_then_the_defaults() {
        let variables = [("OTEL_BSP_MAX_QUEUE_SIZE", "7"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")];
        let from_variables = plan(OtlpOptions::default(), &variables).unwrap();
        assert_eq!((from_variables.queue, from_variables.timeout.as_millis()), (7, 1_500));
        let own = OtlpOptions { queue: Some(3), timeout: Some(Duration::from_secs(1)), ..Default::default() };
        let own = plan(own, &variables).unwrap();
        assert_eq!((own.queue, own.timeout.as_secs()), (3, 1));
        let plain = plan(OtlpOptions::default(), &[]).unwrap();
        assert_eq!((plain.queue, plain.timeout.as_secs()), (2_048, 10));
    }

    #[test]
    fn a_header_is_printed_by_nothing() {
        let headers = vec![("authorization".to_owned(), Secret::from("Bearer hunter2"))];
        let options = OtlpOptions { headers, ..at("https://collector/hunter2") };
        assert!(!format!("{options:?}").contains("hunter2"));
        let plan = plan(options, &[]).unwrap();
        assert!(!format!("{:?}", plan.headers).contains("hunter2"));
    }
}
