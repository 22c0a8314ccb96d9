//! Repairs of bad values, each counted by its reason.

use std::borrow::Cow;

const S: u64 = 1_000_000_000;
/// 2000-01-01 in unix ns: earlier times are those of clocks that nobody set, or are not in ns.
const EARLIEST_NS: u64 = 946_684_800 * S;
/// 2200-01-01: later times are mistakes.
const LATEST_NS: u64 = 7_258_118_400 * S;
/// So are times that are later than this after they were received. The store would keep each of those days for good.
const AHEAD_NS: u64 = 366 * 86_400 * S;
/// 2026-01-01: a receiver's clock that shows less is wrong itself.
const CLOCK_NS: u64 = 1_767_225_600 * S;

/// Reasons, in the order of `REASON_NAMES`.
#[derive(Clone, Copy)]
pub enum Reason {
    InvalidUtf8,
    ValueTruncated,
    NameTruncated,
    AttributesDropped,
    DuplicateAttribute,
    Nesting,
    NestedMalformed,
    Time,
    IdLength,
    Enum,
}

pub const REASON_NAMES: [&str; 10] = [
    "invalid_utf8",
    "value_truncated",
    "name_truncated",
    "attributes_dropped",
    "duplicate_attribute",
    "nesting",
    "nested_malformed",
    "time",
    "id_length",
    "enum",
];

pub struct Limits {
    pub value_bytes: usize,
    pub name_bytes: usize,
    pub attributes: usize,
    pub nesting: usize,
    pub members: usize,
    pub items: usize,
    pub copies: usize,
}

pub struct Cleaner<'l> {
    pub limits: &'l Limits,
    pub counts: [u64; REASON_NAMES.len()],
    /// When the payload was received, or 0.
    pub received: u64,
    latest: u64,
}

impl<'l> Cleaner<'l> {
    pub fn new(limits: &'l Limits) -> Self {
        Cleaner { limits, counts: [0; REASON_NAMES.len()], received: 0, latest: LATEST_NS }
    }

    /// What comes now was received at this time; 0 where that is unknown.
    pub fn received_at(&mut self, received: u64) {
        self.latest = LATEST_NS;
        self.received = if self.possible(received) { received } else { 0 };
        if self.received >= CLOCK_NS {
            self.latest = LATEST_NS.min(self.received + AHEAD_NS);
        }
    }

    /// Whether `time` (unix ns) can be one.
    pub fn possible(&self, time: u64) -> bool {
        EARLIEST_NS <= time && time < self.latest
    }

    pub fn count(&mut self, reason: Reason, by: usize) {
        self.counts[reason as usize] += by as u64;
    }

    /// A key, name or version.
    pub fn name<'a>(&mut self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let text = self.utf8(raw);
        self.cut(text, self.limits.name_bytes, Reason::NameTruncated)
    }

    /// A message or other free text.
    pub fn text<'a>(&mut self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        let text = self.utf8(raw);
        self.cut(text, self.limits.value_bytes, Reason::ValueTruncated)
    }

    #[inline]
    pub fn utf8<'a>(&mut self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        if std::str::from_utf8(raw).is_ok() {
            return Cow::Borrowed(raw);
        }
        self.count(Reason::InvalidUtf8, 1);
        Cow::Owned(String::from_utf8_lossy(raw).into_owned().into_bytes())
    }

    fn cut<'a>(&mut self, text: Cow<'a, [u8]>, limit: usize, reason: Reason) -> Cow<'a, [u8]> {
        if text.len() <= limit {
            return text;
        }
        self.count(reason, 1);
        let end = boundary(&text, limit);
        match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
            Cow::Owned(mut text) => {
                text.truncate(end);
                Cow::Owned(text)
            }
        }
    }

    /// `text`, a value made here, within the limit of values.
    pub fn cut_value<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        if text.len() <= self.limits.value_bytes {
            return text;
        }
        self.count(Reason::ValueTruncated, 1);
        &text[..boundary(text, self.limits.value_bytes)]
    }

    /// `time` if it is possible, else `otherwise`.
    pub fn time(&mut self, time: u64, otherwise: u64) -> u64 {
        if self.possible(time) {
            return time;
        }
        self.count(Reason::Time, 1);
        otherwise
    }

    /// Start and end of a span.
    pub fn times(&mut self, start: u64, end: u64) -> (u64, u64) {
        let possible = (self.possible(start), self.possible(end));
        if possible == (true, true) && start <= end {
            return (start, end);
        }
        self.count(Reason::Time, 1);
        let at = match possible {
            (true, _) => start,
            (false, true) => end,
            (false, false) => self.received,
        };
        (at, at)
    }

    /// The label of an enum's `value`; the first where it has none.
    pub fn label(&mut self, labels: &[&'static str], value: i32) -> &'static [u8] {
        match usize::try_from(value).ok().and_then(|value| labels.get(value)) {
            Some(label) => label.as_bytes(),
            None => {
                self.count(Reason::Enum, 1);
                labels[0].as_bytes()
            }
        }
    }
}

/// The last start of a character at or before `limit`.
fn boundary(text: &[u8], limit: usize) -> usize {
    let mut end = limit;
    while end > 0 && text[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    end
}
