//! Scripts as text, a step a line: its time, its word, and what the word needs.
//!
//! ```text
//! seed 42
//! # the first lines of a bad night
//! 500ms delay to-server 50ms +-20ms
//! 2s loss 1% 200ms
//! 3s throttle to-client 10B/s
//! 4s slice 1B 2ms
//! 5s once on-message to-server Q COMMIT answer-dropped
//! 6s cut-at to-client after-message:3 since-ready close
//! 7s blackhole
//! 9s heal
//! 10s cut server-gone
//! ```
//!
//! A direction that is left out is both. Printing leaves out what goes without saying, and reads back as the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::quantity::{
    read_bytes, read_duration, read_number, read_share, write_bytes, write_duration, write_share,
};
use super::{Script, Step, What};
use crate::fault::{At, Cut, Direction, Fault, Since, When};

/// A line that is no step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}, in `{read}`; allowed is {allowed}")]
#[non_exhaustive]
pub struct ScriptError {
    /// Which line, counted from 1.
    pub line: usize,
    /// The line, without the space around it.
    pub read: String,
    /// What is wrong with it.
    pub problem: String,
    /// What could stand there instead.
    pub allowed: &'static str,
}

/// What is wrong, and what is allowed.
type Wrong = (String, &'static str);

const STEPS: &str = "one of delay, loss, throttle, slice, blackhole, refuse, cut-at, stall-at, on-message, once, cut, \
                     heal, freeze, thaw, kill";
const TIME: &str = "a length of time such as 250us, 50ms, 1.5s, 2min or 1h";
const PLACE: &str = "before-message:n, after-message:n or after-bytes:n";
const HOW: &str = "reset, close, reset-client, reset-server, client-gone or server-gone";
const BYTES: &str = "bytes in one word, with \\x20 for a space and the like, or * for any";

const DIRECTIONS: [(&str, Direction); 3] =
    [("both", Direction::Both), ("to-server", Direction::ToServer), ("to-client", Direction::ToClient)];
const SINCE: [(&str, Since); 3] =
    [("since-ready", Since::Ready), ("since-connected", Since::Connected), ("since-set", Since::Set)];
const CUTS: [(&str, Cut); 6] = [
    ("reset", Cut::Reset),
    ("close", Cut::Close),
    ("reset-client", Cut::ResetClient),
    ("reset-server", Cut::ResetServer),
    ("client-gone", Cut::ClientGone),
    ("server-gone", Cut::ServerGone),
];
const WHENS: [(&str, When); 3] =
    [("before", When::Before), ("after", When::After), ("answer-dropped", When::AnswerDropped)];

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

/// A word that may be left out, with the space before it.
fn unless_default<T: PartialEq + Default>(words: &[(&'static str, T)], value: &T) -> String {
    if *value == T::default() { String::new() } else { format!(" {}", word(words, value)) }
}

fn place(at: At) -> String {
    match at {
        At::BeforeMessage(n) => format!("before-message:{n}"),
        At::AfterMessage(n) => format!("after-message:{n}"),
        At::AfterBytes(n) => format!("after-bytes:{n}"),
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(word(&DIRECTIONS, self))
    }
}

/// The way a [`Script`] says it.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |direction: &Direction| match direction {
            Direction::Both => String::new(),
            one => format!("{one} "),
        };
        let time = |duration: &Duration| write_duration(*duration);
        match self {
            Fault::Delay { direction, by, spread } => {
                write!(f, "delay {}{}", way(direction), time(by))?;
                if spread.is_zero() { Ok(()) } else { write!(f, " +-{}", time(spread)) }
            }
            Fault::Loss { direction, per_million, resent_after } => {
                write!(f, "loss {}{} {}", way(direction), write_share(*per_million), time(resent_after))
            }
            Fault::Throttle { direction, bytes_per_second } => {
                write!(f, "throttle {}{bytes_per_second}B/s", way(direction))
            }
            Fault::Slice { direction, bytes, pause } => {
                write!(f, "slice {}{bytes}B", way(direction))?;
                if pause.is_zero() { Ok(()) } else { write!(f, " {}", time(pause)) }
            }
            Fault::Blackhole { direction: Direction::Both } => f.write_str("blackhole"),
            Fault::Blackhole { direction } => write!(f, "blackhole {direction}"),
            Fault::CutAt { direction, at, since, how } => {
                write!(f, "cut-at {}{}", way(direction), place(*at))?;
                write!(f, "{}{}", unless_default(&SINCE, since), unless_default(&CUTS, how))
            }
            Fault::StallAt { direction, at, since } => {
                write!(f, "stall-at {}{}{}", way(direction), place(*at), unless_default(&SINCE, since))
            }
            Fault::OnMessage { direction, kind, containing, when, how } => {
                let wanted = containing.as_deref().filter(|wanted| !wanted.is_empty());
                let wanted = wanted.map_or_else(|| "*".to_owned(), write_bytes);
                write!(f, "on-message {}{} {wanted}", way(direction), write_bytes(&[*kind]))?;
                write!(f, " {}{}", word(&WHENS, when), unless_default(&CUTS, how))
            }
            Fault::Refuse => f.write_str("refuse"),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Arm(fault) => fault.fmt(f),
            What::ArmOnce(fault) => write!(f, "once {fault}"),
            What::End(how) => write!(f, "cut{}", unless_default(&CUTS, how)),
            What::Heal => f.write_str("heal"),
            What::Freeze => f.write_str("freeze"),
            What::Thaw => f.write_str("thaw"),
            What::Kill => f.write_str("kill"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", write_duration(self.at), self.what)
    }
}

/// A line for the seed, if there is one, and a line for each step.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seed) = self.seed {
            writeln!(f, "seed {seed}")?;
        }
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

/// Empty lines, and lines that begin with `#`, are passed over. Steps may stand in any order.
impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        let mut script = Script::new();
        let mut steps = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let read = line.trim();
            if read.is_empty() || read.starts_with('#') {
                continue;
            }
            let wrong = |(problem, allowed)| {
                let line = index + 1;
                ScriptError { line, read: read.to_owned(), problem, allowed }
            };
            let mut words = Words(read.split_ascii_whitespace().peekable());
            if words.takes("seed") {
                if script.seed.is_some() {
                    return Err(wrong(("a second seed".to_owned(), "one seed")));
                }
                let seed = words.needs("a seed", "a whole number below 2^64", |word| read_number(word, ""));
                script.seed = Some(seed.map_err(wrong)?);
                words.end().map_err(wrong)?;
            } else {
                steps.push(words.step().map_err(wrong)?);
            }
        }
        script.extend(steps);
        Ok(script)
    }
}

/// The words of one line, taken one after another.
struct Words<'a>(std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>);

impl Words<'_> {
    fn takes(&mut self, wanted: &str) -> bool {
        self.0.next_if(|word| *word == wanted).is_some()
    }

    fn needs<T>(
        &mut self,
        what: &str,
        allowed: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Wrong> {
        let Some(word) = self.0.next() else { return Err((format!("{what} is missing"), allowed)) };
        read(word).ok_or_else(|| (format!("`{word}` is not {what}"), allowed))
    }

    /// A word that may be left out.
    fn may<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let found = self.0.peek().and_then(|word| read(word))?;
        self.0.next();
        Some(found)
    }

    fn may_be<T: Copy>(&mut self, words: &[(&str, T)], otherwise: T) -> T {
        let read = |word: &str| words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
        self.may(read).unwrap_or(otherwise)
    }

    fn end(&mut self) -> Result<(), Wrong> {
        match self.0.next() {
            None => Ok(()),
            Some(word) => Err((format!("`{word}` is not understood here"), "the end of the line")),
        }
    }

    fn time(&mut self, what: &str) -> Result<Duration, Wrong> {
        self.needs(what, TIME, read_duration)
    }

    fn step(&mut self) -> Result<Step, Wrong> {
        let at = self.time("a time to begin at")?;
        let once = self.takes("once");
        let name = self.needs("a step", STEPS, |word| Some(word.to_owned()))?;
        let what = match (name.as_str(), once) {
            ("cut", false) => What::End(self.how()?),
            ("heal", false) => What::Heal,
            ("freeze", false) => What::Freeze,
            ("thaw", false) => What::Thaw,
            ("kill", false) => What::Kill,
            (name, true) => What::ArmOnce(self.fault(name)?),
            (name, false) => What::Arm(self.fault(name)?),
        };
        self.end()?;
        Ok(Step { at, what })
    }

    /// The way a connection ends, if another word follows.
    fn how(&mut self) -> Result<Cut, Wrong> {
        if self.0.peek().is_none() {
            return Ok(Cut::default());
        }
        self.needs("a way to end", HOW, |word| {
            CUTS.iter().find(|(known, _)| *known == word).map(|(_, how)| *how)
        })
    }

    fn place(&mut self) -> Result<At, Wrong> {
        self.needs("a place", PLACE, |word| {
            let (kind, n) = word.split_once(':')?;
            let n = read_number(n, "")?;
            match kind {
                "before-message" => Some(At::BeforeMessage(n)),
                "after-message" => Some(At::AfterMessage(n)),
                "after-bytes" => Some(At::AfterBytes(n)),
                _ => None,
            }
        })
    }

    fn fault(&mut self, name: &str) -> Result<Fault, Wrong> {
        if name == "refuse" {
            return Ok(Fault::Refuse);
        }
        let direction = self.may_be(&DIRECTIONS, Direction::Both);
        match name {
            "delay" => {
                let by = self.time("a latency")?;
                let spread = self.may(|word| read_duration(word.strip_prefix("+-")?)).unwrap_or_default();
                Ok(Fault::Delay { direction, by, spread })
            }
            "loss" => {
                let per_million = self.needs("a share", "0% to 100%, such as 0.5%", read_share)?;
                let resent_after = self.time("a time to send again after")?;
                Ok(Fault::Loss { direction, per_million, resent_after })
            }
            "throttle" => {
                let rate = |word: &str| read_number(word, "B/s");
                let bytes_per_second = self.needs("a rate", "whole bytes a second, such as 1000B/s", rate)?;
                Ok(Fault::Throttle { direction, bytes_per_second })
            }
            "slice" => {
                let bytes = self.needs("a size", "whole bytes, such as 1B", |word| read_number(word, "B"))?;
                Ok(Fault::Slice { direction, bytes, pause: self.may(read_duration).unwrap_or_default() })
            }
            "blackhole" => Ok(Fault::Blackhole { direction }),
            "cut-at" => {
                let at = self.place()?;
                let since = self.may_be(&SINCE, Since::default());
                Ok(Fault::CutAt { direction, at, since, how: self.how()? })
            }
            "stall-at" => {
                let at = self.place()?;
                Ok(Fault::StallAt { direction, at, since: self.may_be(&SINCE, Since::default()) })
            }
            "on-message" => self.on_message(direction),
            other => Err((format!("`{other}` is no step"), STEPS)),
        }
    }

    fn on_message(&mut self, direction: Direction) -> Result<Fault, Wrong> {
        let kind = self.needs("a message type", "one byte, such as Q", |word| match *read_bytes(word)? {
            [kind] => Some(kind),
            _ => None,
        })?;
        let any = self.takes("*");
        let containing = if any { None } else { Some(self.needs("what it contains", BYTES, read_bytes)?) };
        let when = self.needs("a moment", "before, after or answer-dropped", |word| {
            WHENS.iter().find(|(known, _)| *known == word).map(|(_, when)| *when)
        })?;
        Ok(Fault::OnMessage { direction, kind, containing, when, how: self.how()? })
    }
}
