//! Layers for axum and tower services whose work goes through [`plimsoll`].
