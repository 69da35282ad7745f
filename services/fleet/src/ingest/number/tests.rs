//! Numbers that are taken as they were written, and numbers that are refused because they would come back changed.

use super::*;

#[test]
fn what_a_float_or_64_bits_hold_is_stored_as_it_was_written() {
    for text in [
        "0",
        "25",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "21.3",
        "1e3",
        "1E+3",
        "0.1e-2",
        "25.00000000000000000000",
        "21.30000000000000071054",
        "1.7976931348623157e308",
        "5e-324",
        "4.940656458412465e-324",
        "0.30000000000000004",
        "5.684341886080802e-14",
        "5.684341886080801e-14",
        "-273.15",
        "1e22",
        "0.0",
        "0.000",
    ] {
        assert_eq!(storable(text), Ok(text));
    }
}

#[test]
fn minus_zero_is_zero() {
    for (text, stored) in [("-0", "0"), ("-0.0", "0.0"), ("0e99999999999999999999", "0"), ("-0.0e-5", "0")] {
        assert_eq!(storable(text), Ok(stored), "{text}");
    }
}

#[test]
fn what_would_come_back_changed_is_refused() {
    for (text, why) in [
        ("9223372036854775808000", Misfit::Whole),
        ("-9223372036854775809", Misfit::Whole),
        ("18446744073709551616", Misfit::Whole),
        ("1e309", Misfit::Large),
        ("-1.8e308", Misfit::Large),
        ("1e99999999999999999999", Misfit::Large),
        ("1e-400", Misfit::Small),
        ("-1.5e-99999999999999999999", Misfit::Small),
        ("0.1234567890123456789", Misfit::Digits),
        ("123456789.123456789", Misfit::Digits),
        ("9007199254740993.0", Misfit::Digits),
        ("1.2345e-320", Misfit::Digits),
        ("9007199254740993e00", Misfit::Digits),
    ] {
        assert_eq!(storable(text), Err(why), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn every_way_to_print_a_float_is_taken(value in proptest::num::f64::NORMAL, digits in 16usize..40) {
        let printed = [value.to_string(), format!("{value:e}"), format!("{value:.digits$e}"), format!("{value:?}")];
        for text in printed.iter().filter(|text| text.contains(['.', 'e'])) {
            proptest::prop_assert_eq!(storable(text), Ok(text.as_str()));
        }
    }

    #[test]
    fn what_is_taken_is_the_same_number_as_a_float(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?(e-?[0-9]{1,3})?") {
        if let Ok(stored) = storable(&text) {
            let (sent, kept): (f64, f64) = (text.parse().unwrap(), stored.parse().unwrap());
            proptest::prop_assert!(sent.is_finite());
            proptest::prop_assert_eq!(sent, kept);
        }
    }
}
