//! What a setting is: the parts of a definition, and the macro that makes everything else out of the list of settings.
//!
//! A setting that is written down in several places (the field, its default, its environment variable, its range
//! check, its documentation) goes wrong when one of the copies changes. Here a setting is written once, in `table/`.
//! That one row makes the field and the setter of [`Settings`](super::Settings), the getter of [`Plan`](super::Plan),
//! the reading from the environment and from files, the range check, the default, and the section in
//! `docs/settings.md`.
//!
//! The form of the values and their range are data ([`Kind`], [`Range`]), so that an error can name the allowed
//! values, and the documentation and the doctor can name them before anything was refused.

use std::fmt;
use std::time::Duration;

use super::Settings;
use super::duration;
use super::duration::Unitless;

/// One setting: everything that is known about it before it is set.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Definition {
    /// Its name: the field, the setter and the key in a file.
    pub name: &'static str,
    /// The heading that it stands under in the documentation.
    pub section: &'static str,
    /// What it does, and when to change it (Markdown).
    pub doc: &'static str,
    /// What its values look like.
    pub kind: Kind,
    /// The range of its values.
    pub range: Range,
    /// Environment variables that mean the same, in addition to its own.
    pub also: &'static [&'static str],
    /// The documentation's text for the default, where a plain value would say too little.
    pub(super) otherwise: Option<&'static str>,
    pub(super) default: fn() -> Option<String>,
    pub(super) put: fn(&mut Settings, &str, Unitless) -> bool,
    pub(super) said: fn(&Settings) -> Option<String>,
    pub(super) fits: fn(&Settings, Range) -> bool,
    pub(super) forget: fn(&mut Settings),
}

impl Definition {
    /// Its own environment variable: `PLIMSOLL_` and the name in capitals.
    pub fn variable(&self) -> String {
        format!("PLIMSOLL_{}", self.name.to_ascii_uppercase())
    }

    /// The value that holds when it is not set, in words.
    pub fn default(&self) -> Option<String> {
        self.otherwise.map(str::to_owned).or_else(self.default)
    }

    /// The value that was set, as text; stars if it is a secret.
    pub fn said(&self, settings: &Settings) -> Option<String> {
        (self.said)(settings)
    }

    /// The allowed values, as a phrase that follows "allowed is".
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Text => "text without control characters".to_owned(),
            Kind::Secret => "text that is not empty".to_owned(),
            Kind::Path => "the path of a file, or system".to_owned(),
            Kind::Hosts => "a list like db1,db2:5433,[::1]:5432,/run/postgresql".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::Words(words) => format!("a list out of {}", words.join(", ")),
            Kind::Number => format!("a whole number {}", self.range),
            Kind::Fraction => format!("a number {}", self.range),
            Kind::Duration => format!("a whole number followed by ms, s, min or h, {}", self.range),
            Kind::Limit => format!("a whole number followed by ms, s, min or h, {}, or off", self.range),
        }
    }
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What the values of a setting look like.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is never printed.
    Secret,
    /// A file.
    Path,
    /// Servers.
    Hosts,
    /// True or false.
    Flag,
    /// One word of these.
    Word(&'static [&'static str]),
    /// Some words of these.
    Words(&'static [&'static str]),
    /// A whole number.
    Number,
    /// A number.
    Fraction,
    /// A duration.
    Duration,
    /// A duration, or `off`.
    Limit,
}

/// The range of the values of a setting, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Range {
    /// Every value of its kind.
    Any,
    /// Whole numbers.
    Numbers(u64, u64),
    /// Numbers.
    Fractions(f64, f64),
    /// Durations in whole milliseconds, the finest unit that PostgreSQL knows.
    Times(Duration, Duration),
    /// Durations in whole seconds, the finest unit that a kernel's keepalives know.
    Seconds(Duration, Duration),
}

impl Range {
    pub(super) fn holds_number(self, number: u64) -> bool {
        !matches!(self, Self::Numbers(least, most) if !(least..=most).contains(&number))
    }

    pub(super) fn holds_fraction(self, number: f64) -> bool {
        !matches!(self, Self::Fractions(least, most) if !(least..=most).contains(&number))
    }

    pub(super) fn holds_time(self, time: Duration) -> bool {
        match self {
            Self::Times(least, most) => {
                (least..=most).contains(&time) && time.subsec_nanos().is_multiple_of(1_000_000)
            }
            Self::Seconds(least, most) => (least..=most).contains(&time) && time.subsec_nanos() == 0,
            _ => true,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("of any size"),
            Self::Numbers(least, most) => write!(f, "from {least} to {most}"),
            Self::Fractions(least, most) => write!(f, "from {least} to {most}"),
            Self::Times(least, most) => {
                write!(f, "from {} to {}", duration::show(*least), duration::show(*most))
            }
            Self::Seconds(least, most) => {
                write!(f, "in whole seconds from {} to {}", duration::show(*least), duration::show(*most))
            }
        }
    }
}

/// Makes everything out of one list of rows: [`Settings`] with its setters, [`Plan`](super::Plan) with its getters, and
/// the table of definitions.
///
/// A row is `name: Type`, then as needed, in this order:
///
/// | part | what it does |
/// |---|---|
/// | `set (argument type)` or `set by_hand` | the setter takes another type, or is written in `mod.rs` |
/// | `get by_hand` | the getter of `Plan` is written in `plan.rs`, or the value takes effect in the check alone |
/// | `default value` | the value if neither the program nor a profile gives one; without it, `Plan` holds an `Option` |
/// | `otherwise "words"` | the documentation's text for the default, where a plain value would say too little |
/// | `range` | the allowed values |
/// | `also [other variables]` | environment variables that mean the same |
///
/// The type is a single word, because the getter depends on it: a `Limit` is read as `Option<Duration>`, a `String` as
/// `&str`, any other type as a copy.
macro_rules! settings {
    ($(#[$about:meta])* $( section $section:literal { $(
        $(#[doc = $doc:expr])+
        $name:ident: $type:ident
            $(, set $set:tt)?
            $(, get $get:tt)?
            $(, default $default:expr)?
            $(, otherwise $otherwise:literal)?
            $(, range $range:expr)?
            $(, also $also:expr)?
        ;
    )+ } )+) => {
        $(#[$about])*
        #[derive(Clone, Default)]
        #[non_exhaustive]
        pub struct Settings {
            $($( pub(super) $name: Option<$type>, )+)+
            /// Values that could not be read; `check` reports them together with all other problems.
            pub(super) problems: Vec<Problem>,
        }

        /// One chained method for each setting.
        impl Settings {
            $($( settings!(@setter [$($set)?] $name $type, $($doc)+); )+)+

            /// These settings; `weaker` supplies those that are not set here.
            pub(super) fn or(mut self, weaker: Self) -> Self {
                $($( self.$name = self.$name.or(weaker.$name); )+)+
                self.problems.extend(weaker.problems);
                self
            }

            /// These settings; the defaults supply those that are not set here. The plan is not checked yet.
            pub(super) fn or_defaults(self) -> Plan {
                Plan { $($( $name: settings!(@or self.$name $(, $default)?), )+)+ }
            }
        }

        /// Checked settings: the only thing that a pool can be opened with.
        #[derive(Clone, Debug)]
        #[expect(dead_code, reason = "`profile` and `port` take effect in the check; no getter reads them")]
        pub struct Plan {
            $($( pub(super) $name: settings!(@filled $type $(, $default)?), )+)+
        }

        /// One getter for each setting.
        impl Plan {
            $($( settings!(@getter [$($get)?] [$($default)?] $name $type, $($doc)+); )+)+
        }

        static TABLE: &[Definition] = &[$($(
            Definition {
                name: stringify!($name),
                section: $section,
                doc: concat!($($doc, "\n"),+),
                kind: <$type as Value>::KIND,
                range: settings!(@range $($range)?),
                also: settings!(@also $($also)?),
                otherwise: settings!(@otherwise $($otherwise)?),
                default: settings!(@default $type $(, $default)?),
                put: |settings, text, unitless| put(&mut settings.$name, text, unitless),
                said: |settings| settings.$name.as_ref().map(Value::show),
                fits: |settings, range| settings.$name.as_ref().is_none_or(|value| value.fits(range)),
                forget: |settings| settings.$name = None,
            },
        )+)+];
    };
    (@setter [by_hand] $name:ident $type:ident, $($doc:expr)+) => {};
    (@setter [($argument:ty)] $name:ident $type:ident, $($doc:expr)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(mut self, $name: $argument) -> Self {
            self.$name = Some($name.into());
            self
        }
    };
    (@setter [] $name:ident $type:ident, $($doc:expr)+) => {
        $(#[doc = $doc])+
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = Some($name);
            self
        }
    };
    (@getter [by_hand] [$($default:expr)?] $name:ident $type:ident, $($doc:expr)+) => {};
    (@getter [] [$default:expr] $name:ident Limit, $($doc:expr)+) => {
        $(#[doc = $doc])+
        pub fn $name(&self) -> Option<Duration> {
            self.$name.duration()
        }
    };
    (@getter [] [$default:expr] $name:ident String, $($doc:expr)+) => {
        $(#[doc = $doc])+
        pub fn $name(&self) -> &str {
            &self.$name
        }
    };
    (@getter [] [$default:expr] $name:ident $type:ident, $($doc:expr)+) => {
        $(#[doc = $doc])+
        pub fn $name(&self) -> $type {
            self.$name
        }
    };
    (@getter [] [] $name:ident $type:ident, $($doc:expr)+) => {
        $(#[doc = $doc])+
        pub fn $name(&self) -> Option<$type> {
            self.$name
        }
    };
    (@or $said:expr) => { $said };
    (@or $said:expr, $default:expr) => { $said.unwrap_or($default) };
    (@filled $type:ident) => { Option<$type> };
    (@filled $type:ident, $default:expr) => { $type };
    (@range) => { Range::Any };
    (@range $range:expr) => { $range };
    (@also) => { &[] };
    (@also $also:expr) => { &$also };
    (@otherwise) => { None };
    (@otherwise $words:literal) => { Some($words) };
    (@default $type:ident) => { || None };
    (@default $type:ident, $default:expr) => { || Some(<$type as Value>::show(&$default)) };
}
pub(super) use settings;
