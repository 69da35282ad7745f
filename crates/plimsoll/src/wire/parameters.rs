//! Tracks the settings that the server reports by itself: does an idle session still have those that it began with?
//!
//! A server reports such a setting (`TimeZone`, `DateStyle`, since version 18 `search_path`) whenever it changes: also for
//! a `SET LOCAL`, and once more when the transaction ends and the old value is back. So a single report says nothing.
//! What counts is whether a value differs from the one at start-up once no transaction is open. A pooler reports what it
//! knows of its client in the same way.

use crate::sql::Strings;

/// What has been reported.
#[derive(Default)]
pub(super) struct Parameters {
    all: Vec<Parameter>,
    strings: Option<Strings>,
    /// Whether the server says that it is a standby, and that transactions only read unless they say otherwise.
    standby: Option<bool>,
    read_only: Option<bool>,
}

struct Parameter {
    name: Box<[u8]>,
    /// The value that an idle session is to have; none if the server never reported it.
    usual: Option<Box<[u8]>>,
    /// The value that it has instead.
    now: Option<Box<[u8]>>,
}

impl Parameters {
    /// How the server reads plain strings; none as long as it has not reported that.
    pub(super) fn strings(&self) -> Option<Strings> {
        self.strings
    }

    /// Whether a transaction that does not say so itself can write; none as long as the server has not reported that.
    pub(super) fn writes(&self) -> Option<bool> {
        Some(!self.standby? && !self.read_only?)
    }

    /// Takes a report. Until the session has started, the reported values are those that it begins with.
    pub(super) fn report(&mut self, name: &[u8], value: &[u8], has_started: bool) {
        if name == b"standard_conforming_strings" {
            self.strings = Some(if value == b"off" { Strings::Escaped } else { Strings::Standard });
        }
        match name {
            b"in_hot_standby" => self.standby = Some(value == b"on"),
            b"default_transaction_read_only" => self.read_only = Some(value == b"on"),
            _ => {}
        }
        let known = self.all.iter_mut().find(|known| *known.name == *name);
        match known {
            Some(known) if has_started => {
                known.now = known.differs(value).then(|| value.into());
            }
            Some(known) => known.usual = Some(value.into()),
            None if has_started => {
                self.all.push(Parameter { name: name.into(), usual: None, now: Some(value.into()) });
            }
            None => self.all.push(Parameter { name: name.into(), usual: Some(value.into()), now: None }),
        }
    }

    /// Whether some setting is not as it was at start-up.
    pub(super) fn differ(&self) -> bool {
        self.all.iter().any(|parameter| parameter.now.is_some())
    }

    /// The session has just been reset: the values that it has now are the usual ones from here on.
    pub(super) fn settle(&mut self) {
        for parameter in &mut self.all {
            if let Some(now) = parameter.now.take() {
                parameter.usual = Some(now);
            }
        }
    }
}

impl Parameter {
    fn differs(&self, value: &[u8]) -> bool {
        // No session sets whether the server is a standby.
        *self.name != *b"in_hot_standby" && self.usual.as_deref() != Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Parameters {
        let mut parameters = Parameters::default();
        parameters.report(b"TimeZone", b"UTC", false);
        parameters.report(b"standard_conforming_strings", b"on", false);
        parameters.report(b"in_hot_standby", b"off", false);
        parameters
    }

    #[test]
    fn what_has_come_back_to_its_first_value_is_no_difference() {
        let mut parameters = started();
        assert!(!parameters.differ());
        parameters.report(b"TimeZone", b"Asia/Tokyo", true);
        assert!(parameters.differ());
        parameters.report(b"TimeZone", b"Europe/Rome", true);
        assert!(parameters.differ());
        parameters.report(b"TimeZone", b"UTC", true);
        assert!(!parameters.differ());
    }

    #[test]
    fn one_that_came_back_does_not_hide_another() {
        let mut parameters = started();
        parameters.report(b"TimeZone", b"Asia/Tokyo", true);
        parameters.report(b"DateStyle", b"German", true);
        parameters.report(b"TimeZone", b"UTC", true);
        assert!(parameters.differ(), "the usual DateStyle is not known");
    }

    #[test]
    fn a_promotion_is_nobodys_doing() {
        let mut parameters = started();
        parameters.report(b"in_hot_standby", b"on", true);
        assert!(!parameters.differ());
    }

    #[test]
    fn whether_a_transaction_can_write_follows_both_reports() {
        let mut parameters = started();
        assert_eq!(parameters.writes(), None, "one of the two was not reported");
        parameters.report(b"default_transaction_read_only", b"off", false);
        assert_eq!(parameters.writes(), Some(true));
        parameters.report(b"default_transaction_read_only", b"on", true);
        assert_eq!(parameters.writes(), Some(false));
        parameters.report(b"default_transaction_read_only", b"off", true);
        parameters.report(b"in_hot_standby", b"on", true);
        assert_eq!(parameters.writes(), Some(false));
    }

    #[test]
    fn after_a_reset_what_is_reported_is_the_usual() {
        let mut parameters = started();
        parameters.report(b"TimeZone", b"Asia/Tokyo", true);
        parameters.settle();
        assert!(!parameters.differ());
        parameters.report(b"TimeZone", b"UTC", true);
        assert!(parameters.differ());
    }

    #[test]
    fn how_strings_are_read_is_known_once_it_was_said() {
        assert_eq!(Parameters::default().strings(), None);
        let mut parameters = started();
        assert_eq!(parameters.strings(), Some(Strings::Standard));
        parameters.report(b"standard_conforming_strings", b"off", true);
        assert_eq!(parameters.strings(), Some(Strings::Escaped));
    }
}
