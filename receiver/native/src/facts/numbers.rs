//! Numbers in attribute values, taken and refused as `spanruns_receiver.facts.numbers` does.

/// Digits beyond which no value is in range.
const MAX_DIGITS: usize = 20;

pub fn signed(text: &[u8]) -> Option<i64> {
    i64::try_from(integer(text)?).ok()
}

/// None also for `-0`.
pub fn unsigned(text: &[u8]) -> Option<u64> {
    match text.first() {
        Some(b'-') | None => None,
        _ => u64::try_from(integer(text)?).ok(),
    }
}

fn integer(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    let digits = &digits[zeros..];
    if digits.len() > MAX_DIGITS {
        return None;
    }
    let value = digits.iter().fold(0, |sum: i128, &digit| sum * 10 + i128::from(digit - b'0'));
    Some(if negative { -value } else { value })
}

/// A double; None for what is no number.
pub fn double(text: &[u8]) -> Option<f64> {
    let (negative, size) = match text {
        [b'-', size @ ..] => (true, size),
        [b'+', size @ ..] => (false, size),
        _ => (false, text),
    };
    let value = match size.first()? {
        b'0'..=b'9' | b'.' if is_decimal(size) => std::str::from_utf8(size).ok()?.parse().ok()?,
        _ if size.eq_ignore_ascii_case(b"nan") => f64::NAN,
        _ if size.eq_ignore_ascii_case(b"inf") || size.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// Digits with a point anywhere among them, and an exponent that has digits where there is one.
fn is_decimal(text: &[u8]) -> bool {
    let (digits, rest) = run_of_digits(text);
    let (more, rest) = match rest {
        [b'.', rest @ ..] => run_of_digits(rest),
        _ => (0, rest),
    };
    if digits + more == 0 {
        return false;
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => {
            let (digits, rest) = run_of_digits(rest);
            digits > 0 && rest.is_empty()
        }
        _ => false,
    }
}

fn run_of_digits(text: &[u8]) -> (usize, &[u8]) {
    let size = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (size, &text[size..])
}

/// A count that may be written as a double; 0 for what is no whole number or does not fit.
pub fn tokens(text: &[u8]) -> u64 {
    if !text.is_empty() && text.len() < 16 && text.iter().all(u8::is_ascii_digit) {
        return text.iter().fold(0, |sum, &digit| sum * 10 + u64::from(digit - b'0'));
    }
    match double(text) {
        // 2 to the 64th: the first that does not fit.
        Some(value) if (0.0..18_446_744_073_709_551_616.0).contains(&value) && value.trunc() == value => {
            value as u64
        }
        _ => 0,
    }
}
