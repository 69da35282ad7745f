//! How a size is written.

/// A megabyte as PostgreSQL counts them.
pub(crate) const MEGABYTE: f64 = 1_048_576.0;

/// `8 kB`, `1.5 MB`: at most one digit after the point.
pub(crate) fn size(bytes: f64) -> String {
    const UNITS: [(&str, f64); 4] =
        [("TB", MEGABYTE * MEGABYTE), ("GB", MEGABYTE * 1_024.0), ("MB", MEGABYTE), ("kB", 1_024.0)];
    let (unit, factor) = UNITS.into_iter().find(|(_, factor)| bytes >= *factor).unwrap_or(("bytes", 1.0));
    let rounded = (bytes / factor * 10.0).round() / 10.0;
    format!("{rounded} {unit}")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn a_size_has_the_unit_that_fits() {
        for (bytes, written) in
            [(0.0, "0 bytes"), (8_192.0, "8 kB"), (1_572_864.0, "1.5 MB"), (5e9, "4.7 GB"), (2e12, "1.8 TB")]
        {
            assert_eq!(size(bytes), written);
        }
    }
}
