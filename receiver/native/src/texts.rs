//! Columns of strings as they stand in a block (length, then bytes), for the resolver: where each one is, several of
//! them one after the other, and their hashes. Positions come as arrays, numbers go as little-endian bytes, 64 bits each.

use std::io::Write;

use naive_cityhash::cityhash64;
use pyo3::buffer::{PyBuffer, ReadOnlyCell};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::column::put_varint;
use crate::wire::varint;

/// In Python a tuple: pieces of bytes, and where in them, one piece after the other, each string begins (before its length) and
/// ends. No string goes over the end of a piece.
#[derive(FromPyObject)]
struct Given(Vec<PyBackedBytes>, PyBuffer<i64>, PyBuffer<i64>);

/// A column of strings.
struct Texts<'a> {
    pieces: &'a [PyBackedBytes],
    /// Where each piece begins.
    begins: Vec<usize>,
    start: &'a [ReadOnlyCell<i64>],
    end: &'a [ReadOnlyCell<i64>],
}

impl Given {
    fn texts<'a>(&'a self, py: Python<'a>) -> PyResult<Texts<'a>> {
        let Given(pieces, start, end) = self;
        let (start, end) = start.as_slice(py).zip(end.as_slice(py)).ok_or_else(wrong)?;
        let mut size = 0;
        let mut begins = Vec::with_capacity(pieces.len());
        for piece in pieces {
            begins.push(size);
            size += piece.len();
        }
        let within = |(start, end): (&ReadOnlyCell<i64>, &ReadOnlyCell<i64>)| {
            0 <= start.get() && start.get() <= end.get() && end.get() as usize <= size
        };
        if start.len() != end.len() || !start.iter().zip(end).all(within) {
            return Err(wrong());
        }
        Ok(Texts { pieces, begins, start, end })
    }
}

impl Texts<'_> {
    fn len(&self) -> usize {
        self.start.len()
    }

    /// How many bytes all of them are.
    fn size(&self) -> usize {
        self.start.iter().zip(self.end).map(|(start, end)| (end.get() - start.get()) as usize).sum()
    }

    /// A string with its length in front.
    fn encoded(&self, row: usize) -> PyResult<&[u8]> {
        let (start, end) = (self.start[row].get() as usize, self.end[row].get() as usize);
        let piece = self.begins.partition_point(|&begin| begin <= start).checked_sub(1).ok_or_else(wrong)?;
        let begin = self.begins[piece];
        self.pieces[piece].get(start - begin..end - begin).ok_or_else(wrong)
    }

    fn text(&self, row: usize) -> PyResult<&[u8]> {
        let mut rest = self.encoded(row)?;
        varint(&mut rest).map_err(|_| wrong())?;
        Ok(rest)
    }
}

/// A piece of a block: bytes, or the strings of a column.
#[derive(FromPyObject)]
enum Part {
    Bytes(PyBackedBytes),
    Texts(Given),
}

enum Ready<'a> {
    Bytes(&'a [u8]),
    Texts(Texts<'a>),
}

impl Part {
    fn ready<'a>(&'a self, py: Python<'a>) -> PyResult<Ready<'a>> {
        match self {
            Part::Bytes(bytes) => Ok(Ready::Bytes(bytes)),
            Part::Texts(given) => given.texts(py).map(Ready::Texts),
        }
    }
}

impl Ready<'_> {
    fn size(&self) -> usize {
        match self {
            Ready::Bytes(bytes) => bytes.len(),
            Ready::Texts(texts) => texts.size(),
        }
    }
}

/// Where each of the `rows` strings at `at` begins, and where the last one ends.
#[pyfunction]
fn text_bounds<'py>(
    py: Python<'py>,
    data: PyBackedBytes,
    at: usize,
    rows: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut rest = data.get(at..).ok_or_else(wrong)?;
    if rows > rest.len() {
        return Err(wrong());
    }
    let mut bounds = Vec::with_capacity(8 * (rows + 1));
    bounds.extend_from_slice(&at.to_le_bytes());
    for _ in 0..rows {
        let size = varint(&mut rest).ok().and_then(|size| usize::try_from(size).ok());
        rest = size.and_then(|size| rest.get(size..)).ok_or_else(wrong)?;
        bounds.extend_from_slice(&(data.len() - rest.len()).to_le_bytes());
    }
    Ok(PyBytes::new(py, &bounds))
}

/// Parts of a block one after the other.
#[pyfunction]
fn put_together<'py>(py: Python<'py>, parts: Vec<Part>) -> PyResult<Bound<'py, PyBytes>> {
    let parts = parts.iter().map(|part| part.ready(py)).collect::<PyResult<Vec<_>>>()?;
    let size = parts.iter().map(Ready::size).sum();
    PyBytes::new_with(py, size, |mut room| {
        for part in &parts {
            match part {
                Ready::Bytes(bytes) => room.write_all(bytes)?,
                Ready::Texts(texts) => {
                    for row in 0..texts.len() {
                        room.write_all(texts.encoded(row)?)?;
                    }
                }
            }
        }
        Ok(())
    })
}

/// `cityHash64` of each string, or of it in lower case.
#[pyfunction]
fn text_keys<'py>(py: Python<'py>, texts: Given, lower: bool) -> PyResult<Bound<'py, PyBytes>> {
    let texts = texts.texts(py)?;
    let mut keys = Vec::with_capacity(8 * texts.len());
    for row in 0..texts.len() {
        let text = texts.text(row)?;
        let key = if lower { cityhash64(&text.to_ascii_lowercase()) } else { cityhash64(text) };
        keys.extend_from_slice(&key.to_le_bytes());
    }
    Ok(PyBytes::new(py, &keys))
}

/// `<left>-<right>`, row by row, as a column.
#[pyfunction]
fn text_pairs<'py>(py: Python<'py>, left: Given, right: Given) -> PyResult<Bound<'py, PyBytes>> {
    let (left, right) = (left.texts(py)?, right.texts(py)?);
    if left.len() != right.len() {
        return Err(wrong());
    }
    let mut pairs = Vec::new();
    for row in 0..left.len() {
        let (first, second) = (left.text(row)?, right.text(row)?);
        put_varint(&mut pairs, first.len() + 1 + second.len());
        pairs.extend_from_slice(first);
        pairs.push(b'-');
        pairs.extend_from_slice(second);
    }
    Ok(PyBytes::new(py, &pairs))
}

fn wrong() -> PyErr {
    PyValueError::new_err("no column of strings")
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(text_bounds, module)?)?;
    module.add_function(wrap_pyfunction!(put_together, module)?)?;
    module.add_function(wrap_pyfunction!(text_keys, module)?)?;
    module.add_function(wrap_pyfunction!(text_pairs, module)?)
}
