//! The transaction status of a session, as the server states it in every ReadyForQuery.

/// Whether a transaction is open in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TransactionStatus {
    /// The server has not said yet.
    Unknown = b'?',
    /// No transaction is open.
    Idle = b'I',
    /// A transaction is open.
    InTransaction = b'T',
    /// A transaction is open and has failed: the server accepts only its end.
    Failed = b'E',
}

impl TransactionStatus {
    /// Reads the status byte of a ReadyForQuery.
    #[inline]
    pub(crate) fn of_byte(byte: u8) -> Self {
        match byte {
            b'I' => TransactionStatus::Idle,
            b'T' => TransactionStatus::InTransaction,
            b'E' => TransactionStatus::Failed,
            _ => TransactionStatus::Unknown,
        }
    }

    /// The protocol's letter for it; `?` if it is unknown.
    pub(crate) fn letter(self) -> char {
        char::from(self as u8)
    }

    /// Whether no transaction is open.
    #[inline]
    pub(crate) fn is_idle(self) -> bool {
        self == TransactionStatus::Idle
    }
}
