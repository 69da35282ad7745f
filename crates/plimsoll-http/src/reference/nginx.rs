//! The values of `docs/guides/nginx.conf`, which is what the guides recommend for the proxy in front.

use super::root;
use crate::patience::GRACE;
use crate::{Options, ServeOptions, check};
use std::fs;
use std::time::Duration;

/// The value of a directive where it stands first, such as `30s`.
pub(super) fn first(directive: &str) -> Duration {
    let all = all(directive);
    *all.first().unwrap_or_else(|| panic!("nginx.conf has no {directive}"))
}

fn all(directive: &str) -> Vec<Duration> {
    let text = fs::read_to_string(root().join("docs/guides/nginx.conf")).unwrap();
    let values = text.lines().filter_map(|line| {
        let mut words = line.split([' ', ';']).filter(|word| !word.is_empty());
        (words.next() == Some(directive)).then(|| words.next().unwrap().to_owned())
    });
    let seconds = values.map(|value| value.strip_suffix('s').unwrap().parse().unwrap());
    seconds.map(Duration::from_secs).collect()
}

/// The proxy waits longer than the service, so that it is the service that says why; and of a connection between the two it
/// is the proxy that closes it, so that no request meets a connection that is just being closed.
#[test]
fn the_proxy_waits_longer_than_the_service_and_keeps_connections_for_less() {
    let (serve, options) = (ServeOptions::default(), Options::default());
    let deadline = options.deadline.unwrap();
    for directive in ["proxy_read_timeout", "proxy_send_timeout"] {
        for limit in all(directive) {
            assert_eq!(limit, Duration::from_secs(30), "{directive}");
            assert!(limit > deadline + GRACE);
        }
    }
    check(&super::plan(), deadline, Some(first("proxy_read_timeout"))).unwrap();
    let [towards_service, towards_clients] = all("keepalive_timeout")[..] else {
        panic!("two keepalive_timeout")
    };
    assert!(towards_service < serve.idle, "{towards_service:?}");
    assert_eq!(towards_clients, Duration::from_secs(5));
    assert!(first("client_body_timeout") <= options.body_within);
}

/// What `timeouts.md` shows of the file is in the file.
#[test]
fn the_guide_quotes_the_file() {
    let file = fs::read_to_string(root().join("docs/guides/nginx.conf")).unwrap();
    let in_words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<Vec<String>> = file.lines().map(in_words).collect();
    let mut seen = 0;
    for page in ["docs/guides/timeouts.md", "docs/guides/deployment.md"] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let blocks = text.split("```nginx\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for line in blocks.flat_map(str::lines).filter(|line| !line.is_empty()) {
            assert!(lines.contains(&in_words(line)), "{page} shows {line:?}, which is not in nginx.conf");
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} lines were found: the test does not look");
}
