//! JSON inside attribute values, read and written as `spanruns_receiver.facts.json_text` does.

use std::borrow::Cow;

use crate::column::HEX;
use crate::value::put_double;

/// Arrays and objects inside one another.
const MAX_NESTING: usize = 256;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const LINE_SEPARATORS: [&[u8]; 2] = [b"\xe2\x80\xa8", b"\xe2\x80\xa9"];

/// One step of a path: a member's name, or its number from 1 on, or from the end: -1 is the last.
pub enum Step {
    Key(Vec<u8>),
    Number(i64),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Null,
    Bool,
    Integer,
    /// An integer beyond 64 bits, which counts as a string.
    Long,
    Double,
    Plain,
    /// A string with escapes in it.
    Escaped,
    Array,
    Object,
}

/// A value; the members of arrays and objects (key, value, key, …) come after it.
#[derive(Clone, Copy)]
struct Node {
    kind: Kind,
    /// Its text; of a string what is between the quotes.
    start: usize,
    end: usize,
    /// The node after all of its members.
    next: usize,
}

struct Invalid;

/// A parsed value, without members where it is not JSON. It is told the text again wherever it needs it.
#[derive(Default)]
pub struct Document {
    nodes: Vec<Node>,
}

impl Document {
    /// Parse `text` in place of what was here.
    pub fn parse(&mut self, text: &[u8]) {
        self.nodes.clear();
        let at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let mut parser = Parser { text, at, nodes: &mut self.nodes };
        if parser.whole().is_err() {
            self.nodes.clear();
        }
    }

    /// What stands at `path`: strings decoded, nothing for what is empty, else JSON.
    pub fn at<'t>(&self, text: &'t [u8], path: &[Step]) -> Cow<'t, [u8]> {
        let mut place = 0;
        for step in path {
            match self.member(text, place, step) {
                Some(found) => place = found,
                None => return Cow::Borrowed(b""),
            }
        }
        match self.nodes.get(place) {
            None => Cow::Borrowed(b""),
            Some(node) if node.kind == Kind::Null || self.is_empty(place) => Cow::Borrowed(b""),
            Some(_) => self.text_of(text, place),
        }
    }

    /// The members of an array as texts; none of anything else, and where all are null.
    pub fn strings<'t>(&self, text: &'t [u8]) -> Vec<Cow<'t, [u8]>> {
        let is_array = self.nodes.first().is_some_and(|node| node.kind == Kind::Array);
        if !is_array || self.nodes[1..].iter().all(|node| node.kind == Kind::Null) {
            return Vec::new();
        }
        self.members(0).map(|place| self.text_of(text, place)).collect()
    }

    fn is_empty(&self, place: usize) -> bool {
        let node = self.nodes[place];
        matches!(node.kind, Kind::Array | Kind::Object) && node.next == place + 1
    }

    fn members(&self, place: usize) -> impl Iterator<Item = usize> + '_ {
        let end = self.nodes[place].next;
        let mut next = place + 1;
        std::iter::from_fn(move || {
            let member = next;
            (member < end).then(|| {
                next = self.nodes[member].next;
                member
            })
        })
    }

    fn member(&self, text: &[u8], place: usize, step: &Step) -> Option<usize> {
        match (self.nodes.get(place)?.kind, step) {
            (Kind::Object, Step::Key(wanted)) => {
                let mut members = self.members(place);
                while let Some(key) = members.next() {
                    let value = members.next()?;
                    if *self.string(text, key) == **wanted {
                        return Some(value);
                    }
                }
                None
            }
            (Kind::Array, Step::Number(number)) => self.numbered(place, *number, 1),
            (Kind::Object, Step::Number(number)) => self.numbered(place, *number, 2),
            _ => None,
        }
    }

    /// The value of that number; `width` nodes make one member.
    fn numbered(&self, place: usize, number: i64, width: usize) -> Option<usize> {
        let first = match usize::try_from(number) {
            Ok(number) => number.checked_sub(1)?,
            Err(_) => (self.members(place).count() / width).checked_sub(usize::try_from(-number).ok()?)?,
        };
        self.members(place).nth(first * width + width - 1)
    }

    /// A string decoded, nothing for null, else JSON.
    fn text_of<'t>(&self, text: &'t [u8], place: usize) -> Cow<'t, [u8]> {
        match self.nodes[place].kind {
            Kind::Null => Cow::Borrowed(b""),
            Kind::Plain | Kind::Escaped | Kind::Long => self.string(text, place),
            _ => {
                let mut out = Vec::new();
                self.write(text, place, &mut out);
                Cow::Owned(out)
            }
        }
    }

    fn string<'t>(&self, text: &'t [u8], place: usize) -> Cow<'t, [u8]> {
        let node = self.nodes[place];
        let raw = &text[node.start..node.end];
        match node.kind {
            Kind::Escaped => Cow::Owned(unescaped(raw)),
            _ => Cow::Borrowed(raw),
        }
    }

    fn write(&self, text: &[u8], place: usize, out: &mut Vec<u8>) {
        let node = self.nodes[place];
        let raw = &text[node.start..node.end];
        match node.kind {
            Kind::Null | Kind::Bool => out.extend_from_slice(raw),
            Kind::Integer if raw == b"-0" => out.push(b'0'),
            Kind::Integer => out.extend_from_slice(raw),
            Kind::Double => put_double(out, double(raw), false),
            Kind::Plain | Kind::Escaped | Kind::Long => {
                out.push(b'"');
                put_escaped(out, &self.string(text, place), false);
                out.push(b'"');
            }
            Kind::Array | Kind::Object => {
                let object = node.kind == Kind::Object;
                out.push(if object { b'{' } else { b'[' });
                for (number, member) in self.members(place).enumerate() {
                    if number > 0 {
                        out.push(if object && number % 2 == 1 { b':' } else { b',' });
                    }
                    self.write(text, member, out);
                }
                out.push(if object { b'}' } else { b']' });
            }
        }
    }
}

/// The text as it is meant: a JSON string without its quotes, anything else as it is; empty for a broken string.
pub fn string(text: Cow<[u8]>) -> Cow<[u8]> {
    if !text.starts_with(b"\"") {
        return text;
    }
    let mut document = Document::default();
    document.parse(&text);
    match (document.nodes.first().map(|node| (node.kind, node.start, node.end)), text) {
        (Some((Kind::Plain, start, end)), Cow::Borrowed(text)) => Cow::Borrowed(&text[start..end]),
        (Some((Kind::Plain | Kind::Escaped, ..)), text) => Cow::Owned(document.string(&text, 0).into_owned()),
        _ => Cow::Borrowed(b""),
    }
}

/// `text` inside quotes; with `slashes` those are escaped too.
pub fn put_escaped(out: &mut Vec<u8>, text: &[u8], slashes: bool) {
    let mut written = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let special = match byte {
            0..=0x1f | b'"' | b'\\' => 1,
            b'/' if slashes => 1,
            0xe2 if LINE_SEPARATORS.iter().any(|separator| text[at..].starts_with(separator)) => 3,
            _ => 0,
        };
        if special == 0 {
            at += 1;
            continue;
        }
        out.extend_from_slice(&text[written..at]);
        match byte {
            b'"' | b'\\' | b'/' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0xe2 => out.extend_from_slice(if text[at + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" }),
            _ => {
                out.extend_from_slice(b"\\u00");
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(&digits.map(|digit| digit.to_ascii_uppercase()));
            }
        }
        at += special;
        written = at;
    }
    out.extend_from_slice(&text[written..]);
}

fn double(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}

/// A string that the parser has taken, without its escapes.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (&escape, after) = match rest.get(at + 1..).and_then(<[u8]>::split_first) {
            Some(found) => found,
            None => return out,
        };
        rest = after;
        match escape {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let (character, size) = character(rest).unwrap_or((char::REPLACEMENT_CHARACTER, 4));
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                rest = rest.get(size..).unwrap_or_default();
            }
            _ => out.push(escape),
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The character that four hex digits stand for, or eight with `\u` between them, and how long that is.
fn character(text: &[u8]) -> Option<(char, usize)> {
    let first = hex(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 4));
    }
    let second = hex(text.get(4..)?.strip_prefix(b"\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|&low| low < 0x400)?;
    Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low)?, 10))
}

fn hex(text: &[u8]) -> Option<u32> {
    text.get(..4)?.iter().try_fold(0, |sum, &digit| Some(sum << 4 | char::from(digit).to_digit(16)?))
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    nodes: &'t mut Vec<Node>,
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<(), Invalid> {
        self.space();
        self.value(0)?;
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Whether the next byte is `byte`; it is behind us then.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Result<(), Invalid> {
        match self.peek().ok_or(Invalid)? {
            b'"' => self.string(),
            b'{' => self.members(depth, b'}'),
            b'[' => self.members(depth, b']'),
            b'n' => self.word(b"null", Kind::Null),
            b't' => self.word(b"true", Kind::Bool),
            b'f' => self.word(b"false", Kind::Bool),
            _ => self.number(),
        }
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.nodes.push(Node { kind, start, end, next: self.nodes.len() + 1 });
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), Invalid> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Invalid);
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    /// An array, or with `}` as its end an object.
    fn members(&mut self, depth: usize, end: u8) -> Result<(), Invalid> {
        if depth == MAX_NESTING {
            return Err(Invalid);
        }
        let place = self.nodes.len();
        let object = end == b'}';
        self.push(if object { Kind::Object } else { Kind::Array }, self.at, self.at + 1);
        self.at += 1;
        self.space();
        if !self.take(end) {
            loop {
                if object {
                    if self.peek() != Some(b'"') {
                        return Err(Invalid);
                    }
                    self.string()?;
                    self.space();
                    if !self.take(b':') {
                        return Err(Invalid);
                    }
                    self.space();
                }
                self.value(depth + 1)?;
                self.space();
                if self.take(end) {
                    break;
                }
                if !self.take(b',') {
                    return Err(Invalid);
                }
                self.space();
            }
        }
        self.nodes[place].next = self.nodes.len();
        Ok(())
    }

    fn string(&mut self) -> Result<(), Invalid> {
        self.at += 1;
        let start = self.at;
        let mut kind = Kind::Plain;
        loop {
            match self.peek().ok_or(Invalid)? {
                b'"' => break,
                0..=0x1f => return Err(Invalid),
                b'\\' => {
                    kind = Kind::Escaped;
                    self.at += 1 + self.escape(self.at + 1)?;
                }
                _ => self.at += 1,
            }
        }
        self.push(kind, start, self.at);
        self.at += 1;
        Ok(())
    }

    /// The size of the escape at `at`, without its backslash.
    fn escape(&self, at: usize) -> Result<usize, Invalid> {
        match self.text.get(at).ok_or(Invalid)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(1),
            b'u' => character(&self.text[at + 1..]).map(|(_, size)| size + 1).ok_or(Invalid),
            _ => Err(Invalid),
        }
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(Invalid)
        }
    }

    fn number(&mut self) -> Result<(), Invalid> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let whole = self.at;
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let kind = if self.at > whole {
            if !double(text).is_finite() {
                return Err(Invalid);
            }
            Kind::Double
        } else if fits(text) {
            Kind::Integer
        } else {
            Kind::Long
        };
        self.push(kind, start, self.at);
        Ok(())
    }
}

/// Whether an integer has 64 bits at most, with or without a sign.
fn fits(text: &[u8]) -> bool {
    if text.len() < 19 {
        return true;
    }
    let number =
        std::str::from_utf8(text).ok().filter(|text| text.len() <= 20).and_then(|text| text.parse().ok());
    number.is_some_and(|number: i128| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number))
}
