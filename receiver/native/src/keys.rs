//! Joins of 64-bit keys, for the resolver. Keys come as arrays, positions go as little-endian bytes, 64 bits each.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use pyo3::buffer::{Element, PyBuffer, ReadOnlyCell};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

const NONE: i64 = -1;

/// Where each of some keys stands.
struct Index<'a> {
    keys: &'a [ReadOnlyCell<u64>],
    /// Of every key the position at which it stands first.
    first: HashTable<usize>,
    hasher: RandomState,
}

impl<'a> Index<'a> {
    fn new(keys: &'a [ReadOnlyCell<u64>]) -> Self {
        let mut index =
            Index { keys, first: HashTable::with_capacity(keys.len()), hasher: RandomState::default() };
        for (position, key) in keys.iter().enumerate() {
            if index.find(key.get()).is_none() {
                let hasher = &index.hasher;
                let hash = hasher.hash_one(key.get());
                index.first.insert_unique(hash, position, |&other| hasher.hash_one(keys[other].get()));
            }
        }
        index
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.first.find(self.hasher.hash_one(key), |&position| self.keys[position].get() == key).copied()
    }
}

/// For every key the first position at which `among` has it, -1 where it has it not.
#[pyfunction]
fn key_places<'py>(
    py: Python<'py>,
    keys: PyBuffer<u64>,
    among: PyBuffer<u64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let index = Index::new(slice(py, &among)?);
    let mut places = Vec::with_capacity(8 * keys.item_count());
    for key in slice(py, &keys)? {
        let place = index.find(key.get()).map_or(NONE, |position| position as i64);
        places.extend_from_slice(&place.to_le_bytes());
    }
    Ok(PyBytes::new(py, &places))
}

/// Every pair of positions at which `keys` and `among` have the same key, in the order of `keys`, then of `among`.
#[pyfunction]
fn key_matches<'py>(
    py: Python<'py>,
    keys: PyBuffer<u64>,
    among: PyBuffer<u64>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let among = slice(py, &among)?;
    let index = Index::new(among);
    // The next position with the same key, and for a first one the last so far.
    let mut next = vec![usize::MAX; among.len()];
    let mut last: Vec<usize> = (0..among.len()).collect();
    for (position, key) in among.iter().enumerate() {
        match index.find(key.get()) {
            Some(first) if first != position => {
                next[last[first]] = position;
                last[first] = position;
            }
            _ => {}
        }
    }
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for (position, key) in slice(py, &keys)?.iter().enumerate() {
        let mut place = index.find(key.get()).unwrap_or(usize::MAX);
        while place != usize::MAX {
            left.extend_from_slice(&position.to_le_bytes());
            right.extend_from_slice(&place.to_le_bytes());
            place = next[place];
        }
    }
    Ok((PyBytes::new(py, &left), PyBytes::new(py, &right)))
}

/// The values of an array that stands in one piece.
pub fn slice<'a, T: Element>(py: Python<'a>, array: &'a PyBuffer<T>) -> PyResult<&'a [ReadOnlyCell<T>]> {
    array.as_slice(py).ok_or_else(|| PyValueError::new_err("no array in one piece"))
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(key_places, module)?)?;
    module.add_function(wrap_pyfunction!(key_matches, module)?)
}
