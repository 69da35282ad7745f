//! Migrations (in preparation).
