//! How bad something is: one order, and one place that turns it into the number and the word and back.
//!
//! Some parts of a fleet count from the worst and some from the least; where both do so by themselves, the mail that wakes
//! somebody goes out for what is of no importance. Here the greater is the worse everywhere: in the enum and in the column
//! `severity`.

/// From the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Can wait.
    Low,
    /// Should be looked at.
    Medium,
    /// Should be looked at soon.
    High,
    /// Now.
    Critical,
}

impl Severity {
    /// Every severity, from the least to the worst.
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// As the column `severity` has it: 1 for [`Severity::Info`] to 5 for [`Severity::Critical`].
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Severity::Info => 1,
            Severity::Low => 2,
            Severity::Medium => 3,
            Severity::High => 4,
            Severity::Critical => 5,
        }
    }

    /// The severity of that number.
    #[must_use]
    pub fn of_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.number() == number)
    }

    /// As routes and answers write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of that name, in small letters or capitals; `warning` is another name of [`Severity::Medium`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_it = |name: &str| text.eq_ignore_ascii_case(name);
        if is_it("warning") {
            return Some(Severity::Medium);
        }
        Self::ALL.into_iter().find(|severity| is_it(severity.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_numbers_is_that_of_the_words() {
        for (less, more) in Severity::ALL.iter().zip(Severity::ALL.iter().skip(1)) {
            assert!(less < more && less.number() < more.number());
        }
        assert_eq!(Severity::of_number(5), Some(Severity::Critical));
        assert_eq!([0, 6, -1].map(Severity::of_number), [None; 3]);
    }

    #[test]
    fn there_and_back() {
        for severity in Severity::ALL {
            assert_eq!(Severity::of_number(severity.number()), Some(severity));
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
            assert_eq!(Severity::parse(&severity.as_str().to_uppercase()), Some(severity));
        }
        assert_eq!(Severity::parse("WARNING"), Some(Severity::Medium));
        assert_eq!(["", "worst", "1", "critical "].map(Severity::parse), [None; 4]);
    }
}
