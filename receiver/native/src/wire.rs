//! Protobuf's wire format, read in place: every length is checked, nothing is allocated.
//!
//! Accepts and refuses exactly what protobuf's own parser (upb) does.

/// Messages and groups inside one another.
const MAX_DEPTH: u32 = 100;

/// Not protobuf.
#[derive(Debug)]
pub struct Malformed;

/// A field's value as the wire has it.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
    Group,
}

/// A message that has not been read yet.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    depth: u32,
}

/// The rest of a message.
pub struct Fields<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Message<'a> {
    pub fn root(bytes: &'a [u8]) -> Self {
        Message { bytes, depth: MAX_DEPTH }
    }

    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub fn fields(self) -> Fields<'a> {
        Fields { rest: self.bytes, depth: self.depth }
    }
}

impl<'a> Fields<'a> {
    /// The next field's number and value; `None` at the end.
    #[inline]
    pub fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            0 => Value::Varint(varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let size = self.size()?;
                Value::Bytes(self.take(size)?)
            }
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(Malformed),
        };
        Ok(Some((number, value)))
    }

    /// `bytes`, a field of this message, as a message of its own.
    pub fn message(&self, bytes: &'a [u8]) -> Message<'a> {
        Message { bytes, depth: self.depth.saturating_sub(1) }
    }

    #[inline]
    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                u32::from(*byte)
            }
            _ => u32::try_from(short_varint(&mut self.rest)?).map_err(|_| Malformed)?,
        };
        if tag < 8 {
            return Err(Malformed);
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    #[inline]
    fn size(&mut self) -> Result<usize, Malformed> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(usize::from(*byte))
            }
            _ => match short_varint(&mut self.rest)? {
                size if size <= i32::MAX as u64 => Ok(size as usize),
                _ => Err(Malformed),
            },
        }
    }

    #[inline]
    fn take(&mut self, size: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(size).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Groups are not part of OTLP; an unknown one is passed over, with all that is in it.
    #[cold]
    fn skip_group(&mut self, number: u32) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            if open.len() > self.depth as usize {
                return Err(Malformed);
            }
            let (number, wire_type) = self.tag()?;
            match wire_type {
                0 => drop(varint(&mut self.rest)?),
                1 => drop(self.take(8)?),
                2 => {
                    let size = self.size()?;
                    self.take(size)?;
                }
                3 => open.push(number),
                4 if number == innermost => drop(open.pop()),
                5 => drop(self.take(4)?),
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }
}

/// A value: at most 10 bytes; bits beyond the 64th are lost.
#[inline]
pub fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    long_varint(rest, 10)
}

/// A tag or a size: at most 5 bytes.
fn short_varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    long_varint(rest, 5)
}

#[inline]
fn long_varint(rest: &mut &[u8], most: usize) -> Result<u64, Malformed> {
    let mut value = 0u64;
    for (position, byte) in rest.iter().take(most).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * position);
        if *byte < 0x80 {
            *rest = &rest[position + 1..];
            return Ok(value);
        }
    }
    Err(Malformed)
}
