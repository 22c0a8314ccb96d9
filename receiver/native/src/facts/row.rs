//! What the program says about one raw row: `spanruns_receiver.facts.reading`, compiled.

use std::borrow::Cow;
use std::cell::RefCell;

use super::columns::Text;
use super::json::{self, put_escaped, Document, Step};
use super::program::{
    Condition, Dialect, KeyInfo, Places, RowProgram, Rule, Source, Sources, Special, NONE, SPECIAL_KEYS,
};
use super::text::{digits, stripped};
use crate::attributes::{Attributes, Mark};
use crate::column::Dictionary;
use crate::sink::Head;

/// The value of a slot in the row whose number is `row`.
#[derive(Clone, Copy, Default)]
struct Slot {
    row: u64,
    rank: u32,
    start: usize,
    end: usize,
    /// Whether it is among the values that were decoded, not in the column of attributes.
    decoded: bool,
}

/// Reads the rows of one table; what it learns of keys, names and resources it keeps for the next row.
pub struct Reader<'p> {
    program: &'p RowProgram,
    keys: Vec<KeyInfo>,
    slots: Vec<Slot>,
    row: u64,
    here: Places,
    /// Attributes whose keys have no dot: number of the mark and of the list of those who read it.
    bare: Vec<(usize, u32)>,
    special: [Option<Mark>; SPECIAL_KEYS.len()],
    decoded: Vec<u8>,
    documents: RefCell<Documents>,
    resource: u64,
    resource_values: Vec<Vec<u8>>,
    scope: u64,
    scope_dialect: u32,
    /// By the number of a span's name, the dialect that it shows.
    name_dialects: Vec<u32>,
}

/// The raw texts of a row that are not its attributes, and its events; what a log record does not have is empty.
#[derive(Clone, Copy, Default)]
pub struct Texts<'r> {
    pub span_name: &'r [u8],
    pub scope: &'r [u8],
    pub scope_version: &'r [u8],
    pub status: &'r [u8],
    pub status_message: &'r [u8],
    pub events: Option<Events<'r>>,
}

/// The events of a row: their names by number, and where the attributes of each one end among all of the row's.
#[derive(Clone, Copy)]
pub struct Events<'r> {
    pub names: &'r Dictionary,
    pub numbers: &'r [u32],
    pub attributes: &'r Attributes,
    pub ends: &'r [usize],
}

impl<'p> Reader<'p> {
    pub fn new(program: &'p RowProgram) -> Self {
        Reader {
            program,
            keys: Vec::new(),
            slots: vec![Slot::default(); program.slots],
            row: 0,
            here: Places::default(),
            bare: Vec::new(),
            special: [None; SPECIAL_KEYS.len()],
            decoded: Vec::new(),
            documents: RefCell::default(),
            resource: 0,
            resource_values: Vec::new(),
            scope: 0,
            scope_dialect: NONE,
            name_dialects: Vec::new(),
        }
    }

    /// The dialect that the scope or the span's name shows; `name` is its number among `names`.
    pub fn by_name(&mut self, head: &Head, names: &Dictionary, name: u32) -> u32 {
        if self.scope != head.scope_number {
            self.scope = head.scope_number;
            self.scope_dialect = self.program.by_scope(&head.scope_name);
        }
        for number in self.name_dialects.len()..names.len() {
            self.name_dialects.push(self.program.by_name(names.get(number as u32)));
        }
        self.scope_dialect.min(self.name_dialects[name as usize])
    }

    /// Take in the row that was last pushed into `attributes`; `dialect` is what it is at the latest.
    pub fn read<'r>(
        &'r mut self,
        head: &Head,
        attributes: &'r Attributes,
        dialect: u32,
        texts: Texts<'r>,
    ) -> Row<'r> {
        self.look_up(head, attributes.keys());
        let dialect = self.place(attributes, dialect).min(self.program.base());
        self.place_bare(attributes, dialect);
        let dialect = &self.program.dialects[dialect as usize];
        if dialect.json_values {
            self.decode(attributes.bytes());
        }
        self.documents.get_mut().used = 0;
        self.here.events = texts.events.is_some();
        self.here.status_message = !texts.status_message.is_empty();
        self.here.names = true;
        Row { reader: self, dialect, attributes, bytes: attributes.bytes(), texts }
    }

    fn look_up(&mut self, head: &Head, keys: &Dictionary) {
        for number in self.keys.len()..keys.len() {
            self.keys.push(self.program.key(keys.get(number as u32)));
        }
        if self.resource != head.resource_number {
            self.resource = head.resource_number;
            self.resource_values.clear();
            let values = self.program.resources.iter().map(|name| head.resource.get(name).to_vec());
            self.resource_values.extend(values);
            let said = self.resource_values.iter().enumerate().filter(|(_, value)| !value.is_empty());
            self.here.resources = said.fold(0, |bits, (number, _)| bits | 1 << number);
        }
    }

    /// Put values into the slots of their keys; returns the first dialect that a key shows, at the latest `dialect`.
    fn place(&mut self, attributes: &Attributes, mut dialect: u32) -> u32 {
        self.row += 1;
        self.here.slots.fill(0);
        self.here.prefixes = 0;
        self.bare.clear();
        self.special = [None; SPECIAL_KEYS.len()];
        let bytes = attributes.bytes();
        for (number, mark) in attributes.marks.iter().enumerate() {
            let key = self.keys[mark.key as usize];
            dialect = dialect.min(key.detected);
            self.here.prefixes |= key.prefixes;
            if key.rank > 0 {
                self.put(key.rank, *mark, bytes);
            }
            if key.bare != NONE {
                self.bare.push((number, key.bare));
            }
            if let Some(special) = key.special {
                self.special[usize::from(special)] = Some(*mark);
            }
        }
        dialect
    }

    fn place_bare(&mut self, attributes: &Attributes, dialect: u32) {
        let bare = std::mem::take(&mut self.bare);
        for &(number, list) in &bare {
            let readers = &self.program.bare[list as usize];
            if let Some((_, rank)) = readers.iter().find(|(reader, _)| *reader == dialect) {
                self.put(*rank, attributes.marks[number], attributes.bytes());
            }
        }
        self.bare = bare;
    }

    fn put(&mut self, rank: u32, mark: Mark, bytes: &[u8]) {
        let value = &bytes[mark.start..mark.end];
        let number = (rank / self.program.ranks) as usize;
        let slot = &mut self.slots[number];
        if (slot.row == self.row && slot.rank < rank)
            || self.program.no_values.iter().any(|none| none == value)
        {
            return;
        }
        self.here.put_slot(number);
        *slot = Slot { row: self.row, rank, start: mark.start, end: mark.end, decoded: false };
    }

    /// Take the quotes off the values of all slots.
    fn decode(&mut self, bytes: &[u8]) {
        self.decoded.clear();
        for slot in self.slots.iter_mut().filter(|slot| slot.row == self.row) {
            let raw = &bytes[slot.start..slot.end];
            if raw.first() == Some(&b'"') {
                let start = self.decoded.len();
                self.decoded.extend_from_slice(&json::string(Cow::Borrowed(raw)));
                *slot = Slot { start, end: self.decoded.len(), decoded: true, ..*slot };
            }
        }
    }
}

/// A row that has been read.
pub struct Row<'r> {
    reader: &'r Reader<'r>,
    pub dialect: &'r Dialect,
    attributes: &'r Attributes,
    bytes: &'r [u8],
    pub texts: Texts<'r>,
}

impl<'r> Row<'r> {
    /// The first value that is not empty.
    #[inline]
    pub fn first(&self, sources: &Sources) -> Text<'r> {
        for source in sources.within(&self.reader.here) {
            let value = self.value(source);
            if !value.is_empty() {
                return value;
            }
        }
        Cow::Borrowed(b"")
    }

    /// Whether one of the rules is met.
    pub fn meets_any(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| self.meets(rule))
    }

    pub fn meets(&self, rule: &[Condition]) -> bool {
        rule.iter().all(|condition| {
            let value = match &condition.source {
                Some(source) if self.reader.here.has(source) => self.value(source),
                _ => Cow::Borrowed(&b""[..]),
            };
            match &condition.stripped {
                Some(affixes) => *value == *stripped(self.texts.span_name, affixes),
                None => condition.patterns.matches(&value),
            }
        })
    }

    /// The value of an attribute that rules outside the dialects ask for, as it came.
    pub fn special(&self, special: Special) -> &'r [u8] {
        self.reader.special[special as usize].map_or(b"", |mark| &self.bytes[mark.start..mark.end])
    }

    /// What words stand for.
    pub fn words(&self) -> &'r RowProgram {
        self.reader.program
    }

    /// Bytes of all attribute values.
    pub fn size(&self) -> usize {
        self.attributes.marks.iter().map(|mark| mark.end - mark.start).sum()
    }

    #[inline]
    fn value(&self, source: &Source) -> Text<'r> {
        Cow::Borrowed(match source {
            Source::Slot(slot) => self.slot(*slot),
            Source::Inside { slot, path, between } => {
                let found = self.inside(*slot, path);
                return match between {
                    Some(between) => between.of(found),
                    None => found,
                };
            }
            Source::Resource(number) => &self.reader.resource_values[*number],
            Source::Prefix(number) => return Cow::Owned(self.under_prefix(*number)),
            Source::Event { name, key, last } => self.of_event(name, key, *last),
            Source::SpanName => self.texts.span_name,
            Source::OwnName => stripped(self.texts.span_name, &self.dialect.affixes),
            Source::Scope => self.texts.scope,
            Source::ScopeVersion => self.texts.scope_version,
            Source::Status => self.texts.status,
            Source::StatusMessage => self.texts.status_message,
        })
    }

    #[inline]
    fn slot(&self, slot: usize) -> &'r [u8] {
        let reader = self.reader;
        match &reader.slots[slot] {
            slot if slot.row != reader.row => b"",
            slot if slot.decoded => &reader.decoded[slot.start..slot.end],
            slot => &self.bytes[slot.start..slot.end],
        }
    }

    fn inside(&self, slot: usize, path: &[Step]) -> Text<'r> {
        let text = self.slot(slot);
        if text.is_empty() || path.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut documents = self.reader.documents.borrow_mut();
        documents.of(slot, text).at(text, path)
    }

    /// All attributes under the prefix as one JSON object without it, in the order of their numbers and names; empty when there is none.
    fn under_prefix(&self, number: usize) -> Vec<u8> {
        let prefix = self.reader.program.prefixes[number].len();
        let marks = self.attributes.marks.iter();
        let mut found: Vec<(&[u8], &[u8])> = marks
            .filter(|mark| self.reader.keys[mark.key as usize].prefixes >> number & 1 == 1)
            .map(|mark| (&self.attributes.keys().get(mark.key)[prefix..], &self.bytes[mark.start..mark.end]))
            .collect();
        found.sort_by_key(|(key, _)| (digits(key), *key));
        let mut out = Vec::new();
        for (key, value) in found {
            out.extend_from_slice(if out.is_empty() { b"{\"" } else { b",\"" });
            put_escaped(&mut out, key, true);
            out.extend_from_slice(b"\":\"");
            put_escaped(&mut out, value, true);
            out.push(b'"');
        }
        if !out.is_empty() {
            out.push(b'}');
        }
        out
    }

    /// An attribute of the first (or last) event of that name (`*`: of any) that has it.
    fn of_event(&self, name: &[u8], key: &[u8], last: bool) -> &'r [u8] {
        let Some(events) = self.texts.events else { return b"" };
        let count = events.numbers.len();
        for at in 0..count {
            let event = if last { count - 1 - at } else { at };
            if name != b"*" && events.names.get(events.numbers[event]) != name {
                continue;
            }
            let start = if event == 0 { 0 } else { events.ends[event - 1] };
            for mark in &events.attributes.marks[start..events.ends[event]] {
                if mark.start < mark.end && events.attributes.keys().get(mark.key) == key {
                    return &events.attributes.bytes()[mark.start..mark.end];
                }
            }
        }
        b""
    }
}

/// Parsed values of a row's slots; their room is used again.
#[derive(Default)]
struct Documents {
    parsed: Vec<(usize, Document)>,
    used: usize,
}

impl Documents {
    fn of(&mut self, slot: usize, text: &[u8]) -> &Document {
        let known = self.parsed[..self.used].iter().position(|(of, _)| *of == slot);
        let place = known.unwrap_or_else(|| {
            if self.used == self.parsed.len() {
                self.parsed.push(Default::default());
            }
            let (of, document) = &mut self.parsed[self.used];
            *of = slot;
            document.parse(text);
            self.used += 1;
            self.used - 1
        });
        &self.parsed[place].1
    }
}
