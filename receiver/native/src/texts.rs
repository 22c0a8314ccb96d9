//! Columns of strings as they stand in a block (length, then bytes), for the resolver: where each one is, several of
//! them one after the other, and their hashes. Numbers come and go as little-endian bytes, 64 bits each.

use naive_cityhash::cityhash64;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::column::put_varint;
use crate::wire::varint;

const EMPTY: &[u8] = b"\0";

/// The bytes of a column of strings, and where its strings begin (before their lengths) and end: a tuple in Python.
#[derive(FromPyObject)]
struct Texts(PyBackedBytes, PyBackedBytes, PyBackedBytes);

impl Texts {
    /// The same, where it may be a column.
    fn checked(self) -> PyResult<Self> {
        let may_be = self.1.len() == self.2.len() && self.1.len().is_multiple_of(8);
        may_be.then_some(self).ok_or_else(wrong)
    }

    fn len(&self) -> usize {
        self.1.len() / 8
    }

    /// A string with its length in front.
    fn encoded(&self, row: usize) -> PyResult<&[u8]> {
        let place = |of: &[u8]| usize::try_from(number(of, row)?).ok();
        let bounds = place(&self.1).zip(place(&self.2));
        bounds.and_then(|(start, end)| self.0.get(start..end)).ok_or_else(wrong)
    }

    fn text(&self, row: usize) -> PyResult<&[u8]> {
        let mut rest = self.encoded(row)?;
        varint(&mut rest).map_err(|_| wrong())?;
        Ok(rest)
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

/// The strings at `index` one after the other; -1 stands for the empty one.
#[pyfunction]
fn texts_at<'py>(py: Python<'py>, texts: Texts, index: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
    let texts = texts.checked()?;
    let mut found = Vec::new();
    for place in 0..index.len() / 8 {
        let row = number(&index, place).ok_or_else(wrong)?;
        found.extend_from_slice(if row < 0 { EMPTY } else { texts.encoded(row as usize)? });
    }
    Ok(PyBytes::new(py, &found))
}

/// `cityHash64` of each string, or of it in lower case.
#[pyfunction]
fn text_keys<'py>(py: Python<'py>, texts: Texts, lower: bool) -> PyResult<Bound<'py, PyBytes>> {
    let texts = texts.checked()?;
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
fn text_pairs<'py>(py: Python<'py>, left: Texts, right: Texts) -> PyResult<Bound<'py, PyBytes>> {
    let (left, right) = (left.checked()?, right.checked()?);
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

fn number(of: &[u8], at: usize) -> Option<i64> {
    let bytes = of.get(8 * at..8 * at + 8)?;
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}

fn wrong() -> PyErr {
    PyValueError::new_err("no column of strings")
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(text_bounds, module)?)?;
    module.add_function(wrap_pyfunction!(texts_at, module)?)?;
    module.add_function(wrap_pyfunction!(text_keys, module)?)?;
    module.add_function(wrap_pyfunction!(text_pairs, module)?)
}
