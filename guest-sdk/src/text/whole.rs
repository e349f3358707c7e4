//! Whole numbers in decimal, read as `str::parse` reads them.
//!
//! From bytes, so that a number is not checked for UTF-8 first, and once for
//! all widths.

/// A number with a sign or none; none for anything else, and beyond 64 bits.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(magnitude(digits)?),
        _ => unsigned(text)?.try_into().ok(),
    }
}

/// A number with `+` or no sign; none for anything else, and beyond 64 bits.
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    magnitude(text.strip_prefix(b"+").unwrap_or(text))
}

fn magnitude(digits: &[u8]) -> Option<u64> {
    // So many digits fit whatever they are.
    if !(1..=19).contains(&digits.len()) {
        return any_magnitude(digits);
    }
    let mut number = 0;
    for byte in digits {
        number = number * 10 + digit(*byte)?;
    }
    Some(number)
}

#[cold]
fn any_magnitude(digits: &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for byte in digits {
        number = number.checked_mul(10)?.checked_add(digit(*byte)?)?;
    }
    (!digits.is_empty()).then_some(number)
}

fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str) {
        assert_eq!(signed(text.as_bytes()), text.parse().ok(), "{text:?}, signed");
        assert_eq!(unsigned(text.as_bytes()), text.parse().ok(), "{text:?}, unsigned");
    }

    #[test]
    fn the_ends_and_one_beyond_are_read_as_the_standard_library_does() {
        for text in ["", "+", "-", "+-1", "-+1", "--1", "0", "-0", "+0", "+7", "1 ", " 1", "1_0"] {
            check(text);
        }
        for end in [i128::from(i64::MIN), i128::from(i64::MAX), i128::from(u64::MAX), 0] {
            for number in end - 1..=end + 1 {
                check(&number.to_string());
                check(&format!("{number:+030}"));
            }
        }
        check(&"9".repeat(40));
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_the_standard_library_does(text in "[+-]?[0-9]{0,22}.?") {
            check(&text);
        }
    }
}
