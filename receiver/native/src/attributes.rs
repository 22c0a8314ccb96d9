//! `Map(LowCardinality(String), String)`: attributes of a row, and those that many rows share.

use crate::clean::{Cleaner, Reason};
use crate::column::{encoded, Column, Dictionary, Labels, Numbers, Strings};
use crate::value::{Any, Attribute};
use crate::wire::{Malformed, Message};

/// The attributes of one message, at most as many as are stored.
#[derive(Default)]
pub struct List<'a> {
    pub kept: Vec<Attribute<'a>>,
    pub dropped: usize,
}

impl<'a> List<'a> {
    #[inline]
    pub fn push(&mut self, message: Message<'a>, most: usize) -> Result<(), Malformed> {
        let attribute = Attribute::parse(message)?;
        if self.kept.len() < most {
            self.kept.push(attribute);
        } else {
            self.dropped += 1;
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        self.kept.clear();
        self.dropped = 0;
    }
}

/// Keys of shared attributes, numbered for the whole batch.
#[derive(Default)]
pub struct SharedKeys {
    dictionary: Dictionary,
    seen: Vec<u64>,
    maps: u64,
}

/// The attributes of a resource or scope, ready to be copied into many rows.
#[derive(Default)]
pub struct Shared {
    keys: Vec<u32>,
    names: Vec<Vec<u8>>,
    values: Vec<u8>,
    /// Bytes of keys and values in one copy.
    pub size: usize,
    /// The value of `service.name`.
    pub service: Vec<u8>,
}

impl Shared {
    pub fn new(list: &List, shared: &mut SharedKeys, clean: &mut Cleaner) -> Self {
        let mut made = Shared::default();
        let mut scratch = Vec::new();
        let mut values = Strings::default();
        shared.maps += 1;
        for attribute in &list.kept {
            let name = clean.name(attribute.key);
            let key = shared.dictionary.intern(&name);
            shared.seen.resize(shared.dictionary.len(), 0);
            if shared.seen[key as usize] == shared.maps {
                clean.count(Reason::DuplicateAttribute, 1);
                continue;
            }
            shared.seen[key as usize] = shared.maps;
            let value = attribute.value.text(clean, &mut scratch);
            if *name == *b"service.name" {
                made.service = value.to_vec();
            }
            made.size += name.len() + value.len();
            values.push(&value);
            made.keys.push(key);
            made.names.push(name.into_owned());
        }
        clean.count(Reason::AttributesDropped, list.dropped);
        made.values = values.into_encoded();
        made
    }

    /// The value of the attribute `name`; empty where there is none.
    pub fn get(&self, name: &[u8]) -> &[u8] {
        let number = self.names.iter().position(|held| held == name);
        number.and_then(|number| encoded(&self.values, number)).unwrap_or_default()
    }
}

/// Where an attribute's value is in its column.
#[derive(Clone, Copy)]
pub struct Mark {
    pub key: u32,
    pub start: usize,
    pub end: usize,
}

/// A column of maps.
#[derive(Default)]
pub struct Attributes {
    /// Of the rows pushed since this was cleared, where it is wanted: all attributes.
    pub marks: Vec<Mark>,
    pub marking: bool,
    offsets: Numbers,
    keys: Labels,
    values: Strings,
    /// By key, the last row that had it.
    seen: Vec<u64>,
    /// By key + 1, the key that came after it last time; at 0, the one that came first.
    next: Vec<u32>,
    rows: u64,
    scratch: Vec<u8>,
    /// By key number of the shared attributes, the key number here.
    translation: Vec<u32>,
}

impl Attributes {
    pub fn push(&mut self, list: &List, clean: &mut Cleaner) {
        self.rows += 1;
        let mut place = 0;
        for attribute in &list.kept {
            let key = self.key(place, attribute.key, clean);
            place = key as usize + 1;
            if self.seen[key as usize] == self.rows {
                clean.count(Reason::DuplicateAttribute, 1);
                continue;
            }
            self.seen[key as usize] = self.rows;
            self.keys.indexes.push(key);
            let text = match attribute.value {
                Any::String(raw) => clean.text(raw),
                value => value.text(clean, &mut self.scratch),
            };
            self.values.push(&text);
            if self.marking {
                let end = self.values.encoded().len();
                self.marks.push(Mark { key, start: end - text.len(), end });
            }
        }
        clean.count(Reason::AttributesDropped, list.dropped);
        self.end();
    }

    pub fn keys(&self) -> &Dictionary {
        &self.keys.dictionary
    }

    /// The bytes that marks point into.
    pub fn bytes(&self) -> &[u8] {
        self.values.encoded()
    }

    /// A map that many rows share.
    pub fn push_shared(&mut self, shared: &Shared) {
        self.rows += 1;
        for (&key, name) in shared.keys.iter().zip(&shared.names) {
            let key = key as usize;
            if key >= self.translation.len() {
                self.translation.resize(key + 1, u32::MAX);
            }
            if self.translation[key] == u32::MAX {
                self.translation[key] = self.intern(name);
            }
            self.keys.indexes.push(self.translation[key]);
        }
        self.values.extend_encoded(&shared.values);
        self.end();
    }

    /// The number of the key `raw` at `place` of `next`.
    #[inline]
    fn key(&mut self, place: usize, raw: &[u8], clean: &mut Cleaner) -> u32 {
        // Attributes mostly come in the order in which they came before.
        if let Some(&next) = self.next.get(place) {
            if self.keys.dictionary.get(next) == raw {
                return next;
            }
        }
        // What is in the dictionary needs no cleaning.
        let key = match self.keys.dictionary.find(raw) {
            Some(key) => key,
            None => {
                let name = clean.name(raw);
                self.intern(&name)
            }
        };
        self.next[place] = key;
        key
    }

    fn intern(&mut self, name: &[u8]) -> u32 {
        let key = self.keys.dictionary.intern(name);
        if self.seen.len() < self.keys.dictionary.len() {
            self.seen.resize(self.keys.dictionary.len(), 0);
            self.next.resize(self.keys.dictionary.len() + 1, key);
        }
        key
    }

    fn end(&mut self) {
        self.offsets.push((self.keys.indexes.len() as u64).to_le_bytes());
    }
}

impl Column for Attributes {
    fn prefix(&self, block: &mut Vec<Vec<u8>>) {
        self.keys.prefix(block);
    }

    fn values(&mut self, block: &mut Vec<Vec<u8>>) {
        self.offsets.values(block);
        self.keys.values(block);
        self.values.values(block);
    }
}
