//! Settings whose value is one of a few words.
//!
//! Each is an enum with one text form for each variant, written once here: the environment, TOML, the connection URL,
//! the messages and `docs/settings.md` all take it from here, so a word that one source accepts, every source accepts.
//! The words of libpq (`sslmode`, `channel_binding`, `target_session_attrs`) keep their spelling and their meaning.
//! `sslmode=allow` is not among them: it encrypts only if the server insists, which protects against nothing.

use std::fmt;

/// Defines an enum, its words, and the conversion in both directions.
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
    /// How a connection is encrypted, and how the server is verified (`sslmode`).
    TlsMode {
        /// In the clear.
        Disable = "disable",
        /// Encrypted if the server can; the certificate is not verified.
        Prefer = "prefer",
        /// Encrypted, or the connect fails; the certificate is not verified, unless `sslrootcert` names a file: then
        /// this is `verify-ca`.
        Require = "require",
        /// Encrypted, and the certificate must be issued by one of the roots.
        VerifyCa = "verify-ca",
        /// Encrypted, and the certificate must be issued by one of the roots for the name that was dialled.
        VerifyFull = "verify-full",
    }

    /// Whether SCRAM is tied to the TLS session beneath it, which excludes a machine in the middle (`channel_binding`).
    ChannelBinding {
        /// Never.
        Disable = "disable",
        /// If both sides can.
        Prefer = "prefer",
        /// Always; otherwise the connect fails.
        Require = "require",
    }

    /// What a server must be, to be connected to (`target_session_attrs`).
    TargetSessionAttrs {
        /// Any server.
        Any = "any",
        /// One that accepts writes.
        ReadWrite = "read-write",
        /// One that does not accept writes.
        ReadOnly = "read-only",
    }

    /// What is between the pool and the server.
    PoolerMode {
        /// Detected at connect; by the port (6432, 6543) if the probe tells nothing.
        Auto = "auto",
        /// Nothing: a session belongs to one connection.
        None = "none",
        /// A pooler that lends a server connection for a whole session.
        Session = "session",
        /// A pooler that lends a server connection for a transaction: sessions are shared with other clients.
        Transaction = "transaction",
    }

    /// What to do with a connection on which a guardrail was found missing.
    OnMissingGuardrail {
        /// Refuse it.
        Error = "error",
        /// Use it, and report `degraded` in health.
        Degraded = "degraded",
    }

    /// Where a read goes that no replica may serve.
    ReplicaFallback {
        /// To the primary, up to a share of its connections.
        Primary = "primary",
        /// Nowhere: it is refused.
        Refuse = "refuse",
    }

    /// Whether the breaker or the admission refuses, only counts, or does nothing.
    Enforcement {
        /// It refuses.
        On = "on",
        /// It counts what it would refuse, and refuses nothing.
        Dark = "dark",
        /// It neither refuses nor counts.
        Off = "off",
    }

    /// What the slow log shows of the parameters of a statement (`slow_log_parameters`).
    SlowParameters {
        /// Nothing.
        None = "none",
        /// The values of numbers, booleans, dates, times and UUIDs; of every other type its name and the length.
        ByType = "by-type",
    }

    /// A named set of values, for a size of pool, a kind of connection or a pace of work.
    ///
    /// A profile is weaker than any value that was set, whichever of the two was set first.
    Profile {
        /// Size: 2 to 10 connections and no more.
        Service = "service",
        /// Size: 1 to 5 connections, for health probes and other side entrances.
        Probe = "probe",
        /// Connection: no pooler; 10 connections and 20 above, 30 minutes, checked after idleness.
        Direct = "direct",
        /// Connection: a transaction pooler; 2 connections and 5 above, 5 minutes, no check.
        Pooler = "pooler",
        /// Pace: statement 10 s, connect 5 s, pool 10 s.
        Development = "development",
        /// Pace: statement 30 s, connect 10 s, pool 30 s.
        Production = "production",
        /// Pace: statement 60 s, connect 15 s, pool 45 s.
        HighLoad = "high-load",
    }
}
