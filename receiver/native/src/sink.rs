//! The walk that the three signals share: requests hold resources, those hold scopes, those hold items.

use crate::attributes::{List, Shared, SharedKeys};
use crate::clean::{Cleaner, Limits, Reason};
use crate::column::Strings;
use crate::wire::{Malformed, Message, Value};

/// Why a payload is not taken.
pub enum Refused {
    Malformed,
    Items,
    Copies,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Refused::Malformed
    }
}

/// What a payload may grow to.
struct Meter {
    items: usize,
    copies: usize,
}

/// What is known while one batch is decoded.
pub struct Env<'l> {
    pub clean: Cleaner<'l>,
    keys: SharedKeys,
    meter: Meter,
    resources: u64,
    scopes: u64,
}

/// What a resource and a scope say about all their items.
pub struct Head {
    /// Counted from 1 on in a batch.
    pub resource_number: u64,
    pub scope_number: u64,
    pub resource: Shared,
    pub resource_url: Vec<u8>,
    pub scope: Shared,
    pub scope_name: Vec<u8>,
    pub scope_version: Vec<u8>,
    pub scope_dropped: u32,
    pub scope_url: Vec<u8>,
}

/// What is done with the items of one signal.
pub trait Sink<'a> {
    /// Whether schema URLs and the scope's attributes are stored.
    const WHOLE_SCOPE: bool;
    /// How many bytes of `head` each row repeats.
    fn copied(head: &Head) -> usize;
    fn item(&mut self, head: &Head, item: Message<'a>, env: &mut Env) -> Result<(), Refused>;
}

/// The members of a resource or scope message, which have the same numbers in all signals.
#[derive(Default)]
struct Level<'a> {
    attributes: List<'a>,
    name: &'a [u8],
    version: &'a [u8],
    dropped: u32,
    members: Vec<Message<'a>>,
    url: &'a [u8],
}

impl<'l> Env<'l> {
    pub fn new(limits: &'l Limits) -> Self {
        Env {
            clean: Cleaner::new(limits),
            keys: SharedKeys::default(),
            meter: Meter { items: 0, copies: 0 },
            resources: 0,
            scopes: 0,
        }
    }

    /// Walk one payload into `sink`.
    pub fn walk<'a, S: Sink<'a>>(
        &mut self,
        sink: &mut S,
        payload: &'a [u8],
        received: u64,
    ) -> Result<(), Refused> {
        self.clean.received_at(received);
        let copies = payload.len().saturating_mul(self.clean.limits.copies);
        self.meter = Meter { items: self.clean.limits.items, copies: copies.saturating_add(1 << 20) };
        let mut fields = Message::root(payload).fields();
        while let Some(field) = fields.next()? {
            if let (1, Value::Bytes(resource)) = field {
                self.items(1)?;
                self.resource(sink, fields.message(resource))?;
            }
        }
        Ok(())
    }

    /// Take note of `items` more resources, scopes, metrics, rows, events, links, exemplars or quantiles.
    pub fn items(&mut self, items: usize) -> Result<(), Refused> {
        self.meter.items = self.meter.items.checked_sub(items).ok_or(Refused::Items)?;
        Ok(())
    }

    /// Take note of `size` bytes that are copied into each of `rows` rows.
    pub fn copies(&mut self, size: usize, rows: usize) -> Result<(), Refused> {
        let bytes = size.saturating_mul(rows);
        self.meter.copies = self.meter.copies.checked_sub(bytes).ok_or(Refused::Copies)?;
        Ok(())
    }

    fn resource<'a, S: Sink<'a>>(&mut self, sink: &mut S, message: Message<'a>) -> Result<(), Refused> {
        let level = self.level(message, 1)?;
        self.items(level.members.len())?;
        self.resources += 1;
        let mut head = Head {
            resource_number: self.resources,
            scope_number: 0,
            resource: Shared::new(&level.attributes, &mut self.keys, &mut self.clean),
            resource_url: Vec::new(),
            scope: Shared::default(),
            scope_name: Vec::new(),
            scope_version: Vec::new(),
            scope_dropped: 0,
            scope_url: Vec::new(),
        };
        head.resource.service = self.clean.name(&head.resource.service).into_owned();
        if S::WHOLE_SCOPE {
            head.resource_url = self.clean.name(level.url).into_owned();
        }
        for member in level.members {
            let scope = self.level(member, 3)?;
            self.scopes += 1;
            head.scope_number = self.scopes;
            head.scope_name = self.clean.name(scope.name).into_owned();
            head.scope_version = self.clean.name(scope.version).into_owned();
            if S::WHOLE_SCOPE {
                head.scope = Shared::new(&scope.attributes, &mut self.keys, &mut self.clean);
                head.scope_dropped = scope.dropped;
                head.scope_url = self.clean.name(scope.url).into_owned();
            }
            self.items(scope.members.len())?;
            self.copies(S::copied(&head), scope.members.len())?;
            for item in scope.members {
                sink.item(&head, item, self)?;
            }
        }
        Ok(())
    }

    /// Read a resource or scope level; `attributes` is the number of the attributes in its first member.
    fn level<'a>(&self, message: Message<'a>, attributes: u32) -> Result<Level<'a>, Refused> {
        let mut level = Level::default();
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => {
                    let mut inner = fields.message(bytes).fields();
                    while let Some(field) = inner.next()? {
                        match field {
                            (number, Value::Bytes(bytes)) if number == attributes => {
                                level.attributes.push(inner.message(bytes), self.clean.limits.attributes)?;
                            }
                            (1, Value::Bytes(bytes)) => level.name = bytes,
                            (2, Value::Bytes(bytes)) => level.version = bytes,
                            (4, Value::Varint(number)) => level.dropped = number as u32,
                            _ => {}
                        }
                    }
                }
                (2, Value::Bytes(bytes)) => {
                    push(&mut level.members, fields.message(bytes), self.clean.limits)?;
                }
                (3, Value::Bytes(bytes)) => level.url = bytes,
                _ => {}
            }
        }
        Ok(level)
    }
}

/// Add `item`, unless there are as many already as a payload may have.
pub fn push<T>(items: &mut Vec<T>, item: T, limits: &Limits) -> Result<(), Refused> {
    if items.len() >= limits.items {
        return Err(Refused::Items);
    }
    items.push(item);
    Ok(())
}

/// A trace or span id in hex; empty for none.
pub fn put_id<const N: usize>(column: &mut Strings, raw: &[u8], clean: &mut Cleaner) {
    match <&[u8; N]>::try_from(raw) {
        Ok(id) if id.iter().any(|&byte| byte != 0) => column.push_hex(id),
        Ok(_) => column.push(b""),
        Err(_) => {
            if !raw.is_empty() {
                clean.count(Reason::IdLength, 1);
            }
            column.push(b"");
        }
    }
}

/// `raw` where it is an id, else nothing.
pub fn sound<const N: usize>(raw: &[u8]) -> &[u8] {
    if raw.len() == N && raw.iter().any(|&byte| byte != 0) {
        raw
    } else {
        b""
    }
}
