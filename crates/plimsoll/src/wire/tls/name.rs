//! Whether the common name of a certificate is the host's, by libpq's rule.
//!
//! Certificates have their names in the extension `subjectAltName`, and only where that has none of the host's kind does
//! libpq look at the common name (`fe-secure-openssl.c`, `pgtls_verify_peer_name_matches_certificate_guts`). It may be the
//! host's name, or have `*` as the whole of its leftmost label, which stands for exactly one label. Letters of either case
//! are the same. A name that holds a zero byte is none: an authority that reads only as far as that byte has vouched for
//! another name. One thing is stricter here: a wildcard never stands for a part of an address.

/// Whether this common name stands for this host.
///
/// The name is taken as the bytes of the certificate, since a text of two bytes a letter is not one that libpq reads either.
pub(super) fn stands_for(common_name: &[u8], host: &str) -> bool {
    if common_name.is_empty() || common_name.contains(&0) {
        return false;
    }
    if common_name.eq_ignore_ascii_case(host.as_bytes()) {
        return true;
    }
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let Some(parent) = common_name.strip_prefix(b"*.") else { return false };
    match host.split_once('.') {
        Some((label, of_host)) if !is_address && !label.is_empty() && !of_host.is_empty() => {
            parent.eq_ignore_ascii_case(of_host.as_bytes())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::stands_for;
    use proptest::prelude::*;

    fn label() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9]([a-zA-Z0-9-]{0,6}[a-zA-Z0-9])?"
    }

    /// A name of several labels that is no address: its last label has a letter.
    fn host() -> impl Strategy<Value = Vec<String>> {
        (prop::collection::vec(label(), 1..4), "[a-zA-Z]{2,5}").prop_map(|(mut labels, last)| {
            labels.push(last);
            labels
        })
    }

    fn in_other_case(text: &str) -> String {
        text.chars()
            .map(|letter| match letter.is_ascii_lowercase() {
                true => letter.to_ascii_uppercase(),
                false => letter.to_ascii_lowercase(),
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_host_itself_in_letters_of_any_case(labels in host()) {
            let host = labels.join(".");
            prop_assert!(stands_for(host.as_bytes(), &host));
            prop_assert!(stands_for(in_other_case(&host).as_bytes(), &host));
        }

        #[test]
        fn a_wildcard_stands_for_exactly_the_leftmost_label(labels in host(), more in label()) {
            let host = labels.join(".");
            let wildcard = format!("*.{}", labels[1..].join("."));
            prop_assert!(stands_for(wildcard.as_bytes(), &host));
            prop_assert!(stands_for(in_other_case(&wildcard).as_bytes(), &host));
            // Not for two labels, and not for none.
            let longer = format!("{more}.{host}");
            prop_assert!(!stands_for(wildcard.as_bytes(), &longer));
            let with_none = format!("*.{host}");
            prop_assert!(!stands_for(with_none.as_bytes(), &host));
        }

        #[test]
        fn a_star_anywhere_else_stands_for_itself_alone(labels in host(), place in 0usize..40) {
            let host = labels.join(".");
            let mut name = host.clone();
            name.insert((place % host.len()).max(1), '*');
            prop_assert!(!stands_for(name.as_bytes(), &host));
            for name in [format!("*{host}"), format!("*.*.{host}"), "*".to_owned(), "*.".to_owned()] {
                prop_assert!(!stands_for(name.as_bytes(), &host), "{}", name);
            }
        }

        #[test]
        fn a_name_with_a_zero_byte_stands_for_nothing(labels in host(), place in 0usize..40, tail in label()) {
            let host = labels.join(".");
            for name in [format!("{host}\0"), format!("{host}\0.{tail}")] {
                prop_assert!(!stands_for(name.as_bytes(), &host));
            }
            let mut name = host.clone();
            name.insert(place % host.len(), '\0');
            prop_assert!(!stands_for(name.as_bytes(), &host));
        }

        #[test]
        fn an_address_is_only_itself(parts in any::<[u8; 4]>()) {
            let [a, b, c, d] = parts;
            let host = format!("{a}.{b}.{c}.{d}");
            prop_assert!(stands_for(host.as_bytes(), &host));
            let wildcard = format!("*.{b}.{c}.{d}");
            prop_assert!(!stands_for(wildcard.as_bytes(), &host));
        }

        #[test]
        fn whatever_the_bytes_it_is_the_host_or_one_wildcard(
            name in prop::collection::vec(any::<u8>(), 0..24),
            labels in host(),
        ) {
            let host = labels.join(".");
            let lower = name.to_ascii_lowercase();
            let of_host = host.to_ascii_lowercase();
            let wildcard = format!("*.{}", labels[1..].join(".").to_ascii_lowercase());
            let is_one = lower == of_host.as_bytes() || lower == wildcard.as_bytes();
            prop_assert_eq!(stands_for(&name, &host), is_one);
        }
    }
}
