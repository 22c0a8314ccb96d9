//! Small pieces of a mapping: whether a value matches, a name without what stands around it.

use std::borrow::Cow;

use memchr::memmem;
use pyo3::prelude::*;

/// A value matches that is one of `literals`, or begins or ends so, or (`anything`) is not empty.
#[derive(FromPyObject)]
pub struct Patterns {
    literals: Vec<Vec<u8>>,
    anything: bool,
    prefixes: Vec<Vec<u8>>,
    suffixes: Vec<Vec<u8>>,
}

impl Patterns {
    #[inline]
    pub fn matches(&self, value: &[u8]) -> bool {
        (self.anything && !value.is_empty())
            || self.literals.iter().any(|literal| literal == value)
            || self.prefixes.iter().any(|prefix| value.starts_with(prefix))
            || self.suffixes.iter().any(|suffix| value.ends_with(suffix))
    }
}

/// What stands in front of a name, or at its end.
#[derive(FromPyObject)]
pub struct Affix {
    text: Vec<u8>,
    at_end: bool,
}

/// `name` without the first of the affixes that stands in front, and without the longest of the rest that stands at its end.
pub fn stripped<'n>(name: &'n [u8], affixes: &[Affix]) -> &'n [u8] {
    let mut rest = name;
    for affix in affixes {
        if affix.at_end {
            if affix.text == name {
                return b"";
            }
        } else if let Some(after) = name.strip_prefix(affix.text.as_slice()) {
            rest = after;
            break;
        }
    }
    let ends = affixes.iter().filter(|affix| affix.at_end && rest.ends_with(&affix.text));
    let longest = ends.map(|affix| affix.text.len()).max().unwrap_or(0);
    &rest[..rest.len() - longest]
}

/// How many digits a key begins with: the second comes before the tenth.
pub fn digits(key: &[u8]) -> usize {
    key.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// The first `characters` characters.
pub fn cut(text: &[u8], characters: usize) -> &[u8] {
    if text.len() <= characters {
        return text;
    }
    let starts = text.iter().enumerate().filter(|(_, &byte)| byte & 0xc0 != 0x80);
    match starts.map(|(at, _)| at).nth(characters) {
        Some(end) => &text[..end],
        None => text,
    }
}

/// Where `wanted` is first found in `text`, from `from` on.
pub fn find(text: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    memmem::find(text.get(from..)?, wanted).map(|at| from + at)
}

/// What stands in a text behind the first `before`, up to the next `after`, or to the end where that is empty.
pub struct Between {
    before: memmem::Finder<'static>,
    after: Vec<u8>,
}

impl Between {
    /// None where the whole text is meant.
    pub fn new(before: &[u8], after: Vec<u8>) -> Option<Self> {
        (!before.is_empty()).then(|| Between { before: memmem::Finder::new(before).into_owned(), after })
    }

    pub fn of<'t>(&self, text: Cow<'t, [u8]>) -> Cow<'t, [u8]> {
        let Some(start) = self.before.find(&text).map(|at| at + self.before.needle().len()) else {
            return Cow::Borrowed(b"");
        };
        let end = if self.after.is_empty() { Some(text.len()) } else { find(&text, &self.after, start) };
        match (end, text) {
            (None, _) => Cow::Borrowed(b""),
            (Some(end), Cow::Borrowed(text)) => Cow::Borrowed(&text[start..end]),
            (Some(end), Cow::Owned(text)) => Cow::Owned(text[start..end].to_vec()),
        }
    }
}

/// The CRC-32 of some pieces of one text, as ClickHouse's `CRC32` and zlib have it.
pub fn crc32(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().flat_map(|piece| piece.iter());
    !bytes.fold(!0, |sum, &byte| sum >> 8 ^ CRC_TABLE[usize::from(sum as u8 ^ byte)])
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};
