//! What the proxy has to report: how much has passed, and how each connection stands.

/// What has passed one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Whole messages; none are counted inside TLS.
    pub messages: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One connection, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireReport {
    /// The connection's number: the first that was accepted is 1.
    pub connection: u64,
    /// Whether the server has said that it is ready for queries.
    pub ready: bool,
    /// Whether its bytes cannot be read, so that only bytes are counted.
    pub encrypted: bool,
    /// Requests, counted since it connected.
    pub to_server: Passed,
    /// Answers, counted since it connected.
    pub to_client: Passed,
    /// Requests, counted since the server was first ready (nothing before that).
    pub to_server_since_ready: Passed,
    /// Answers, counted since the server was first ready (nothing before that).
    pub to_client_since_ready: Passed,
    /// Segments lost and sent again, both ways together.
    pub lost: u64,
}
