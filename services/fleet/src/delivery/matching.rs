//! Which routes an alert takes: a pure rule.

use crate::alerts::Severity;

/// A route, as far as it decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// Which severities, by name.
    pub severities: Vec<String>,
    /// Which types; empty for all.
    pub alert_types: Vec<String>,
    /// Of which sites; empty for all.
    pub site_ids: Vec<String>,
    /// Of devices whose ids begin so; empty for all.
    pub device_prefixes: Vec<String>,
    /// On which events.
    pub deliver_on: Vec<String>,
}

/// An alert, as far as it decides.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: &'a str,
    /// At which site.
    pub site: Option<&'a str>,
    /// Of which device.
    pub device: Option<&'a str>,
    /// What has happened to it: the state in which it is now.
    pub event: &'a str,
}

/// Whether an alert takes a route. A list that names something is not met by an alert that has no such thing.
#[must_use]
pub fn takes(route: &Route, about: &About<'_>) -> bool {
    let named = |list: &[String], what: &str| list.iter().any(|one| one == what);
    let all_or =
        |list: &[String], what: Option<&str>| list.is_empty() || what.is_some_and(|what| named(list, what));
    named(&route.deliver_on, about.event)
        && named(&route.severities, about.severity.as_str())
        && all_or(&route.alert_types, Some(about.kind))
        && all_or(&route.site_ids, about.site)
        && (route.device_prefixes.is_empty()
            || about
                .device
                .is_some_and(|id| route.device_prefixes.iter().any(|prefix| id.starts_with(prefix))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'static> = About {
        severity: Severity::High,
        kind: "THRESHOLD",
        site: Some("s1"),
        device: Some("pump-7"),
        event: "OPEN",
    };

    fn route(change: impl FnOnce(&mut Route)) -> Route {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut route = Route {
            severities: texts(&["critical", "high"]),
            deliver_on: texts(&["OPEN"]),
            ..Route::default()
        };
        change(&mut route);
        route
    }

    #[test]
    fn every_list_must_be_met_and_an_empty_one_is() {
        let one = |text: &str| vec![text.to_owned()];
        assert!(takes(&route(|_| {}), &ABOUT));
        let whole = route(|route| {
            (route.alert_types, route.site_ids) = (one("THRESHOLD"), one("s1"));
            route.device_prefixes = vec!["valve-".to_owned(), "pump-".to_owned()];
        });
        assert!(takes(&whole, &ABOUT));
        for change in [
            (|route: &mut Route| route.severities = vec!["low".to_owned()]) as fn(&mut Route),
            |route| route.severities.clear(),
            |route| route.deliver_on = vec!["CLOSED".to_owned()],
            |route| route.alert_types = vec!["NO_HEARTBEAT".to_owned()],
            |route| route.site_ids = vec!["s2".to_owned()],
            |route| route.device_prefixes = vec!["ump".to_owned(), "pump-77".to_owned()],
        ] {
            let mut other = whole.clone();
            change(&mut other);
            assert!(!takes(&other, &ABOUT), "{other:?}");
        }
    }

    #[test]
    fn what_an_alert_does_not_have_is_in_no_list() {
        let about = About { site: None, device: None, ..ABOUT };
        assert!(takes(&route(|_| {}), &about));
        assert!(!takes(&route(|route| route.site_ids = vec!["s1".to_owned()]), &about));
        assert!(!takes(&route(|route| route.device_prefixes = vec![String::new()]), &about));
    }
}
