//! Layers for axum and tower services whose work goes through [`plimsoll`].

pub mod serve;

pub use serve::{ServeError, ServeOptions, Stopped, serve};
