//! Attribute values as the text that is stored: the string itself, or what the Collector's `AsString` makes of others.

use std::borrow::Cow;
use std::io::Write;

use crate::clean::{Cleaner, Reason};
use crate::column::HEX;
use crate::wire::{Malformed, Message, Value};

const TOO_DEEP: &[u8] = b"\"[too deep]\"";
const MALFORMED: &[u8] = b"\"[malformed]\"";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// An `AnyValue`; arrays and maps stay unread.
#[derive(Clone, Copy, Default)]
pub enum Any<'a> {
    #[default]
    None,
    String(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(&'a [u8]),
    Map(&'a [u8]),
    Bytes(&'a [u8]),
}

/// A `KeyValue`.
#[derive(Clone, Copy, Default)]
pub struct Attribute<'a> {
    pub key: &'a [u8],
    pub value: Any<'a>,
}

impl<'a> Any<'a> {
    /// Read `message` over what is there: a field that comes twice counts once, the last time.
    #[inline]
    pub fn merge(&mut self, message: Message<'a>) -> Result<(), Malformed> {
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            *self = match field {
                (1, Value::Bytes(bytes)) => Any::String(bytes),
                (2, Value::Varint(number)) => Any::Bool(number != 0),
                (3, Value::Varint(number)) => Any::Int(number as i64),
                (4, Value::Fixed64(bits)) => Any::Double(f64::from_bits(bits)),
                (5, Value::Bytes(bytes)) => Any::Array(bytes),
                (6, Value::Bytes(bytes)) => Any::Map(bytes),
                (7, Value::Bytes(bytes)) => Any::Bytes(bytes),
                _ => continue,
            };
        }
        Ok(())
    }

    /// The text of this value; `scratch` is room for what has to be made.
    pub fn text<'s>(self, clean: &mut Cleaner, scratch: &'s mut Vec<u8>) -> Cow<'s, [u8]>
    where
        'a: 's,
    {
        scratch.clear();
        match self {
            Any::None => return Cow::Borrowed(b""),
            Any::String(raw) => return clean.text(raw),
            Any::Bool(true) => return Cow::Borrowed(b"true"),
            Any::Bool(false) => return Cow::Borrowed(b"false"),
            Any::Int(number) => put_int(scratch, number),
            Any::Double(number) => put_double(scratch, number, true),
            Any::Bytes(bytes) => put_base64(scratch, bytes),
            Any::Array(_) | Any::Map(_) => put_json(scratch, self, 1, clean),
        }
        Cow::Borrowed(clean.cut_value(scratch))
    }
}

impl<'a> Attribute<'a> {
    #[inline]
    pub fn parse(message: Message<'a>) -> Result<Self, Malformed> {
        match Self::usual(message.bytes()) {
            Some(attribute) => Ok(attribute),
            None => Self::parse_any(message),
        }
    }

    /// The shape that nearly all attributes have: a short key, then a string.
    #[inline]
    fn usual(bytes: &'a [u8]) -> Option<Self> {
        let (key, rest) = short(bytes, 0x0a)?;
        let [0x12, rest @ ..] = rest else { return None };
        let (size, rest) = short_size(rest)?;
        if size != rest.len() {
            return None;
        }
        let [0x0a, rest @ ..] = rest else { return None };
        let (size, text) = short_size(rest)?;
        (size == text.len()).then_some(Attribute { key, value: Any::String(text) })
    }

    fn parse_any(message: Message<'a>) -> Result<Self, Malformed> {
        let mut attribute = Attribute::default();
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(key)) => attribute.key = key,
                (2, Value::Bytes(value)) => attribute.value.merge(fields.message(value))?,
                _ => {}
            }
        }
        Ok(attribute)
    }
}

/// A field with the tag `tag` of less than 128 bytes, and what comes after it.
#[inline]
fn short(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match bytes {
        [first, size, rest @ ..] if *first == tag && *size < 0x80 => {
            rest.split_at_checked(usize::from(*size))
        }
        _ => None,
    }
}

/// A size of one or two bytes, and what comes after it.
#[inline]
fn short_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [size, rest @ ..] if *size < 0x80 => Some((usize::from(*size), rest)),
        [low, high, rest @ ..] if *high < 0x80 => {
            Some((usize::from(*low & 0x7f) | usize::from(*high) << 7, rest))
        }
        _ => None,
    }
}

/// `value` as JSON; `depth` counts the arrays and maps around its members.
fn put_json(out: &mut Vec<u8>, value: Any, depth: usize, clean: &mut Cleaner) {
    match value {
        Any::None => out.extend_from_slice(b"null"),
        Any::String(raw) => {
            let text = clean.utf8(raw);
            put_json_string(out, &text);
        }
        Any::Bool(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Any::Int(number) => put_int(out, number),
        Any::Double(number) if number.is_finite() => put_double(out, number, true),
        Any::Double(number) => {
            out.push(b'"');
            put_double(out, number, true);
            out.push(b'"');
        }
        Any::Bytes(bytes) => {
            out.push(b'"');
            put_base64(out, bytes);
            out.push(b'"');
        }
        Any::Array(_) | Any::Map(_) if depth > clean.limits.nesting => {
            clean.count(Reason::Nesting, 1);
            out.extend_from_slice(TOO_DEEP);
        }
        Any::Array(bytes) => match members(bytes, clean, Any::parse) {
            Ok(members) => put_array(out, &members, depth, clean),
            Err(Malformed) => put_malformed(out, clean),
        },
        Any::Map(bytes) => match members(bytes, clean, Attribute::parse) {
            Ok(members) => put_map(out, &members, depth, clean),
            Err(Malformed) => put_malformed(out, clean),
        },
    }
}

impl<'a> Any<'a> {
    fn parse(message: Message<'a>) -> Result<Self, Malformed> {
        let mut value = Any::None;
        value.merge(message)?;
        Ok(value)
    }
}

/// The values of an array or map message, all of them read before the first is written; at most as many as are kept.
fn members<'a, T>(
    bytes: &'a [u8],
    clean: &mut Cleaner,
    parse: impl Fn(Message<'a>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut members = Vec::new();
    let mut dropped = 0;
    let mut fields = Message::root(bytes).fields();
    while let Some(field) = fields.next()? {
        if let (1, Value::Bytes(member)) = field {
            let member = parse(fields.message(member))?;
            if members.len() < clean.limits.members {
                members.push(member);
            } else {
                dropped += 1;
            }
        }
    }
    clean.count(Reason::AttributesDropped, dropped);
    Ok(members)
}

fn put_malformed(out: &mut Vec<u8>, clean: &mut Cleaner) {
    clean.count(Reason::NestedMalformed, 1);
    out.extend_from_slice(MALFORMED);
}

fn put_array(out: &mut Vec<u8>, members: &[Any], depth: usize, clean: &mut Cleaner) {
    out.push(b'[');
    for (position, member) in members.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        put_json(out, *member, depth + 1, clean);
    }
    out.push(b']');
}

fn put_map(out: &mut Vec<u8>, members: &[Attribute], depth: usize, clean: &mut Cleaner) {
    let mut pairs: Vec<(Cow<[u8]>, Any)> =
        members.iter().map(|member| (clean.utf8(member.key), member.value)).collect();
    pairs.sort_by(|left, right| left.0.cmp(&right.0));
    out.push(b'{');
    let mut first = true;
    for (position, (key, value)) in pairs.iter().enumerate() {
        // Of a repeated key the last value stays; sorting has kept their order.
        if pairs.get(position + 1).is_some_and(|next| next.0 == *key) {
            clean.count(Reason::DuplicateAttribute, 1);
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        put_json_string(out, key);
        out.push(b':');
        put_json(out, *value, depth + 1, clean);
    }
    out.push(b'}');
}

fn put_json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut written = 0;
    for (position, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[written..position]);
        written = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[written..]);
    out.push(b'"');
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
}

fn put_int(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}

/// The shortest digits, an exponent only below 1e-6 and from 1e21 on; whether a `plus` stands in front of a positive one.
pub fn put_double(out: &mut Vec<u8>, number: f64, plus: bool) {
    if number.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let size = number.abs();
    if size.is_infinite() {
        return out.extend_from_slice(b"Infinity");
    }
    if size == 0.0 {
        return out.push(b'0');
    }
    let mut buffer = ryu::Buffer::new();
    let (digits, point) = digits(buffer.format_finite(size));
    if (1e-6..1e21).contains(&size) {
        put_plain(out, &digits, point);
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        match plus {
            true => put(out, format_args!("e{:+}", point - 1)),
            false => put(out, format_args!("e{}", point - 1)),
        }
    }
}

/// The significant digits of a number written in any way, and where the point is among them.
fn digits(text: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole.as_bytes(), fraction.as_bytes()].concat();
    let zeros = all.iter().take_while(|&&digit| digit == b'0').count();
    let end = all.iter().rposition(|&digit| digit != b'0').map_or(zeros, |last| last + 1);
    let point = whole.len() as i32 - zeros as i32 + exponent.parse::<i32>().unwrap_or(0);
    (all[zeros..end].to_vec(), point)
}

fn put_plain(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    match usize::try_from(point) {
        Ok(point) if point >= digits.len() => {
            out.extend_from_slice(digits);
            out.resize(out.len() + point - digits.len(), b'0');
        }
        Ok(point) if point > 0 => {
            out.extend_from_slice(&digits[..point]);
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
        _ => {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend_from_slice(digits);
        }
    }
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let [first, second, third] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let bits = first << 16 | second << 8 | third;
        for at in 0..4 {
            out.push(if at <= chunk.len() { BASE64[(bits >> (18 - 6 * at) & 63) as usize] } else { b'=' });
        }
    }
}
