//! Settings whose value is one word out of a few.
//!
//! Each is an enum with one text form a variant, written here once: the environment, TOML, the connection URL, the
//! messages and `docs/settings.md` all take it from here, so a word that is accepted somewhere is accepted
//! everywhere. The words of libpq (`sslmode`, `channel_binding`, `target_session_attrs`) keep their spelling and their
//! meaning. `sslmode=allow` is not among them: it asks for encryption only when the server insists, which protects
//! from nothing.

use std::fmt;

/// Defines an enum, its words and their way back, in one place.
macro_rules! words {
    ($( $(#[$about:meta])* $name:ident { $( $(#[$doc:meta])* $variant:ident = $word:literal, )+ } )+) => { $(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $( $(#[$doc])* $variant, )+ }

        impl $name {
            /// Every word there is, as it is written.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it is written.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// What a word stands for, if it is one of [`Self::WORDS`].
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $( $word => Some(Self::$variant), )+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+ };
}

words! {
    /// How a connection is encrypted, and whom it believes (`sslmode`).
    TlsMode {
        /// In the clear.
        Disable = "disable",
        /// Encrypted where the server can; no certificate is looked at.
        Prefer = "prefer",
        /// Encrypted or not at all; no certificate is looked at.
        Require = "require",
        /// Encrypted, and the certificate was issued by one of the roots.
        VerifyCa = "verify-ca",
        /// Encrypted, issued by one of the roots, and for the name that was dialled.
        VerifyFull = "verify-full",
    }

    /// Whether SCRAM is tied to the TLS session beneath it, so that nobody can sit between (`channel_binding`).
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// Where both sides can.
        Prefer = "prefer",
        /// Or not at all.
        Require = "require",
    }

    /// What a server must be, to be connected to (`target_session_attrs`).
    TargetSessionAttrs {
        /// Whatever answers.
        Any = "any",
        /// One that takes writes.
        ReadWrite = "read-write",
        /// One that does not.
        ReadOnly = "read-only",
    }

    /// What stands between the pool and the server.
    PoolerMode {
        /// Find out: probe at connect, and by port (6432, 6543) where a probe is silent.
        Auto = "auto",
        /// Nothing: sessions are ours.
        None = "none",
        /// A pooler that lends a server connection for a whole session.
        Session = "session",
        /// A pooler that lends a server connection for a transaction: sessions are nobody's.
        Transaction = "transaction",
    }

    /// What to do with a connection on which a guardrail was found missing.
    OnMissingGuardrail {
        /// Refuse it.
        Error = "error",
        /// Use it, and say `degraded` wherever health is told.
        Degraded = "degraded",
    }

    /// Whether the breaker or the admission really refuses what it would refuse.
    Enforcement {
        /// It refuses.
        On = "on",
        /// It counts what it would have refused, and refuses nothing.
        Dark = "dark",
        /// It does not even count.
        Off = "off",
    }

    /// A named set of values, for a size of pool, a kind of connection or a pace of work.
    ///
    /// A profile is weaker than anything that was said, irrespective of the order in which the two were said.
    Profile {
        /// Size: 2 to 10 connections and no more.
        Service = "service",
        /// Size: 1 to 5 connections, for health probes and other side entrances.
        Probe = "probe",
        /// Connection: nothing between; 10 connections and 20 above, 30 minutes, checked after idleness.
        Direct = "direct",
        /// Connection: a transaction pooler between; 2 connections and 5 above, 5 minutes, no check.
        Pooler = "pooler",
        /// Pace: statement 10 s, connect 5 s, pool 10 s.
        Development = "development",
        /// Pace: statement 30 s, connect 10 s, pool 30 s.
        Production = "production",
        /// Pace: statement 60 s, connect 15 s, pool 45 s.
        HighLoad = "high-load",
    }
}
