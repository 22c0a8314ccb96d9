//! Column buffers in the layout of ClickHouse's `Native` format.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use crate::wire::varint;

/// The version that precedes a `LowCardinality` column.
const LABEL_VERSION: u64 = 1;
/// Additional keys follow, and they are all there is: no dictionary is shared between blocks.
const LABEL_FLAGS: u64 = 0x600;
pub const HEX: &[u8; 16] = b"0123456789abcdef";

/// A column that gives itself away, as the pieces of which a block is made.
pub trait Column {
    /// What comes before the values, once a column.
    fn prefix(&self, _block: &mut Vec<Vec<u8>>) {}
    fn values(&mut self, block: &mut Vec<Vec<u8>>);
}

pub fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Numbers of any width, little-endian.
#[derive(Default)]
pub struct Numbers(Vec<u8>);

impl Numbers {
    #[inline]
    pub fn push<const N: usize>(&mut self, value: [u8; N]) {
        self.0.extend_from_slice(&value);
    }

    pub fn extend(&mut self, values: &[u8]) {
        self.0.extend_from_slice(values);
    }
}

impl Column for Numbers {
    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        block.push(std::mem::take(&mut self.0));
    }
}

/// `String`.
#[derive(Default)]
pub struct Strings(Vec<u8>);

impl Strings {
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        put_varint(&mut self.0, value.len());
        self.0.extend_from_slice(value);
    }

    /// A trace or span id in hex; ids are short, so their size is one byte.
    pub fn push_hex<const N: usize>(&mut self, id: &[u8; N]) {
        self.0.push(2 * N as u8);
        for byte in id {
            self.0.push(HEX[usize::from(byte >> 4)]);
            self.0.push(HEX[usize::from(byte & 15)]);
        }
    }

    pub fn encoded(&self) -> &[u8] {
        &self.0
    }

    /// The encoded strings.
    pub fn into_encoded(self) -> Vec<u8> {
        self.0
    }

    /// Strings that are encoded already.
    pub fn extend_encoded(&mut self, values: &[u8]) {
        self.0.extend_from_slice(values);
    }
}

impl Column for Strings {
    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        block.push(std::mem::take(&mut self.0));
    }
}

/// The string number `number` of encoded ones.
pub fn encoded(mut strings: &[u8], number: usize) -> Option<&[u8]> {
    for at in 0..=number {
        let size = usize::try_from(varint(&mut strings).ok()?).ok()?;
        let (found, rest) = strings.split_at_checked(size)?;
        if at == number {
            return Some(found);
        }
        strings = rest;
    }
    None
}

/// Distinct strings, numbered in order of first appearance.
#[derive(Default)]
pub struct Dictionary {
    index: HashTable<u32>,
    hasher: RandomState,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Dictionary {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, number: u32) -> &[u8] {
        key(&self.bytes, &self.ends, number)
    }

    #[inline]
    pub fn find(&self, wanted: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(wanted);
        self.index.find(hash, |&number| self.get(number) == wanted).copied()
    }

    pub fn intern(&mut self, wanted: &[u8]) -> u32 {
        if let Some(number) = self.find(wanted) {
            return number;
        }
        let number = self.ends.len() as u32;
        self.bytes.extend_from_slice(wanted);
        self.ends.push(self.bytes.len());
        let (bytes, ends, hasher) = (&self.bytes, &self.ends, &self.hasher);
        self.index.insert_unique(hasher.hash_one(wanted), number, |&number| {
            hasher.hash_one(key(bytes, ends, number))
        });
        number
    }
}

fn key<'a>(bytes: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let start = if number == 0 { 0 } else { ends[number - 1] };
    &bytes[start..ends[number]]
}

/// `LowCardinality(String)`.
#[derive(Default)]
pub struct Labels {
    pub dictionary: Dictionary,
    pub indexes: Vec<u32>,
    empty: Option<u32>,
}

impl Labels {
    #[inline]
    pub fn push(&mut self, value: &[u8]) {
        if value.is_empty() {
            let number = *self.empty.get_or_insert_with(|| self.dictionary.intern(b""));
            return self.indexes.push(number);
        }
        // Neighbours are often alike.
        let number = match self.indexes.last() {
            Some(&last) if self.dictionary.get(last) == value => last,
            _ => self.dictionary.intern(value),
        };
        self.indexes.push(number);
    }
}

impl Column for Labels {
    fn prefix(&self, block: &mut Vec<Vec<u8>>) {
        block.push(LABEL_VERSION.to_le_bytes().to_vec());
    }

    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        if self.indexes.is_empty() {
            return;
        }
        let mut out = Vec::new();
        let width = match self.dictionary.len() {
            0..=0x100 => 0,
            0x101..=0x1_0000 => 1,
            _ => 2,
        };
        put_u64(&mut out, LABEL_FLAGS | width);
        put_u64(&mut out, self.dictionary.len() as u64);
        for number in 0..self.dictionary.len() as u32 {
            let label = self.dictionary.get(number);
            put_varint(&mut out, label.len());
            out.extend_from_slice(label);
        }
        put_u64(&mut out, self.indexes.len() as u64);
        match width {
            0 => out.extend(self.indexes.iter().map(|&index| index as u8)),
            1 => out.extend(self.indexes.iter().flat_map(|&index| (index as u16).to_le_bytes())),
            _ => out.extend(self.indexes.iter().flat_map(|&index| index.to_le_bytes())),
        }
        block.push(out);
    }
}

/// `Array(…)` of what another column holds: where each row ends in it.
#[derive(Default)]
pub struct Array<C> {
    pub items: C,
    offsets: Numbers,
    total: u64,
}

impl<C> Array<C> {
    /// End a row of which `items` items have been pushed.
    pub fn end(&mut self, items: usize) {
        self.total += items as u64;
        self.offsets.push(self.total.to_le_bytes());
    }
}

impl<C: Column> Column for Array<C> {
    fn prefix(&self, block: &mut Vec<Vec<u8>>) {
        self.items.prefix(block);
    }

    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        self.offsets.values(block);
        self.items.values(block);
    }
}

/// `Nullable(…)` of numbers.
#[derive(Default)]
pub struct Optional {
    missing: Vec<u8>,
    numbers: Numbers,
}

impl Optional {
    #[inline]
    pub fn push<const N: usize>(&mut self, value: Option<[u8; N]>) {
        self.missing.push(u8::from(value.is_none()));
        self.numbers.push(value.unwrap_or([0; N]));
    }
}

impl Column for Optional {
    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        block.push(std::mem::take(&mut self.missing));
        self.numbers.values(block);
    }
}
