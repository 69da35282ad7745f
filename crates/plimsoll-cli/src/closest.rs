//! The word that was probably meant.

/// The known word that differs least from this one, if few letters differ or it begins so.
pub(crate) fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    like(word, known, 1).first().copied()
}

/// So many known words that differ least from this one, the least first, if few letters differ or they begin so.
pub(crate) fn like<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let lower = word.to_ascii_lowercase();
    let differing = |known: &'a str| {
        let known_lower = known.to_ascii_lowercase();
        let begins = lower.len() > 2 && known_lower.starts_with(&lower);
        let letters = if begins { 0 } else { strsim::damerau_levenshtein(&lower, &known_lower) };
        (letters, known)
    };
    let allowed = (lower.chars().count() / 3).clamp(1, 4);
    let mut near: Vec<_> =
        known.into_iter().map(differing).filter(|(letters, _)| *letters <= allowed).collect();
    near.sort_by_key(|(letters, _)| *letters);
    near.into_iter().take(most).map(|(_, known)| known).collect()
}

/// `; did you mean G01?`, or nothing.
pub(crate) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map(|known| format!("; did you mean {known}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_it_is_found_and_nothing_else() {
        let known = ["PL-ACQ-01", "PL-CON-01", "G01"];
        assert_eq!(closest("PL-AQC-01", known), Some("PL-ACQ-01"));
        assert_eq!(closest("g1", known), Some("G01"));
        assert_eq!(closest("timeout", known), None);
        assert_eq!(meant("zzz", known), "");
    }
}
