//! The types of settings: how each is read, written and compared with its range.
//!
//! Every source is text in the end: an environment variable, a word in a file, a parameter in a URL. So each type is
//! parsed by one function, whatever its source, and what [`Value::show`] writes, [`Value::read`] reads back unchanged.
//!
//! Reading does not check the range. A value that is set in code was never text, and its range must be checked all the
//! same; so `check` does it for both.

use std::path::PathBuf;
use std::time::Duration;

use super::definition::{Kind, Range};
use super::duration;
use super::duration::{Limit, Unitless};
use super::host::Host;
use super::plan::TlsRoots;
use super::problem::STARS;
use super::words::{
    ChannelBinding, Enforcement, OnMissingGuardrail, PoolerMode, Profile, SlowParameters, TargetSessionAttrs,
    TlsMode,
};
use crate::secret::{Password, Secret};

/// A type that a setting can have.
pub(super) trait Value: Sized {
    /// The form of its values.
    const KIND: Kind;
    /// The value, if the text is one.
    fn read(text: &str, unitless: Unitless) -> Option<Self>;
    /// The text from which this value is read; stars for a secret.
    fn show(&self) -> String;
    /// Whether it is in the range.
    fn fits(&self, range: Range) -> bool;
}

/// Sets a field from a text, and returns whether the text was a value; if not, the field stays as it was.
pub(super) fn put<T: Value>(field: &mut Option<T>, text: &str, unitless: Unitless) -> bool {
    let value = T::read(text, unitless);
    let readable = value.is_some();
    *field = value.or(field.take());
    readable
}

macro_rules! numbers { ($($number:ty),+) => { $(
    impl Value for $number {
        const KIND: Kind = Kind::Number;
        fn read(text: &str, _: Unitless) -> Option<Self> {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        }
        fn show(&self) -> String {
            self.to_string()
        }
        fn fits(&self, range: Range) -> bool {
            u64::try_from(*self).is_ok_and(|number| range.holds_number(number))
        }
    }
)+ } }
numbers!(u16, u32, usize);

macro_rules! word_values { ($($word:ty),+) => { $(
    impl Value for $word {
        const KIND: Kind = Kind::Word(<$word>::WORDS);
        fn read(text: &str, _: Unitless) -> Option<Self> {
            Self::from_word(text)
        }
        fn show(&self) -> String {
            self.to_string()
        }
        fn fits(&self, _: Range) -> bool {
            true
        }
    }
)+ } }
word_values!(
    TlsMode,
    ChannelBinding,
    TargetSessionAttrs,
    PoolerMode,
    OnMissingGuardrail,
    Enforcement,
    SlowParameters
);

impl Value for f64 {
    const KIND: Kind = Kind::Fraction;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn fits(&self, range: Range) -> bool {
        range.holds_fraction(*self)
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Flag;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn fits(&self, _: Range) -> bool {
        true
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;
    fn read(text: &str, unitless: Unitless) -> Option<Self> {
        duration::read(text, unitless)
    }
    fn show(&self) -> String {
        duration::show(*self)
    }
    fn fits(&self, range: Range) -> bool {
        range.holds_time(*self)
    }
}

impl Value for Limit {
    const KIND: Kind = Kind::Limit;
    fn read(text: &str, unitless: Unitless) -> Option<Self> {
        if text == "off" { Some(Self::Off) } else { duration::read(text, unitless).map(Self::After) }
    }
    fn show(&self) -> String {
        self.to_string()
    }
    fn fits(&self, range: Range) -> bool {
        self.duration().is_none_or(|time| range.holds_time(time))
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        Some(text.to_owned())
    }
    fn show(&self) -> String {
        self.clone()
    }
    fn fits(&self, _: Range) -> bool {
        !self.contains(char::is_control)
    }
}

impl Value for TlsRoots {
    const KIND: Kind = Kind::Path;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        Some(Self::at(PathBuf::from(text)))
    }
    fn show(&self) -> String {
        match self {
            Self::System => "system".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
    fn fits(&self, _: Range) -> bool {
        match self {
            Self::System => true,
            Self::File(path) => {
                !path.as_os_str().is_empty() && !path.as_os_str().as_encoded_bytes().contains(&0)
            }
        }
    }
}

impl Value for Password {
    const KIND: Kind = Kind::Secret;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        Some(Self::Fixed(Secret::from(text)))
    }
    fn show(&self) -> String {
        STARS.to_owned()
    }
    fn fits(&self, _: Range) -> bool {
        !matches!(self, Self::Fixed(secret) if secret.expose().is_empty() || secret.expose().contains('\0'))
    }
}

/// The type of `hosts`; a row of the table names its type by one word.
pub(super) type Hosts = Vec<Host>;

/// The type of `profile`.
pub(super) type Profiles = Vec<Profile>;

impl Value for Hosts {
    const KIND: Kind = Kind::Hosts;
    fn read(text: &str, _: Unitless) -> Option<Self> {
        Host::read_list(text)
    }
    fn show(&self) -> String {
        self.iter().map(Host::to_string).collect::<Vec<_>>().join(",")
    }
    fn fits(&self, _: Range) -> bool {
        !self.is_empty()
    }
}

impl Value for Profiles {
    const KIND: Kind = Kind::Words(Profile::WORDS);
    fn read(text: &str, _: Unitless) -> Option<Self> {
        text.split([',', '+']).map(|word| Profile::from_word(word.trim())).collect()
    }
    fn show(&self) -> String {
        self.iter().map(Profile::to_string).collect::<Vec<_>>().join(",")
    }
    fn fits(&self, _: Range) -> bool {
        true
    }
}
