//! Walks over a forest that is given by its parents, for the resolver. Pointers are positions, -1 for none.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::keys::slice;

const NONE: i64 = -1;
const UNKNOWN: i64 = -2;
const ON_THE_WAY: i64 = -3;

/// For every node the nearest proper ancestor that `stop` marks, as little-endian bytes, 64 bits each. Every node is passed once.
#[pyfunction]
fn nearest<'py>(
    py: Python<'py>,
    parent: PyBuffer<i64>,
    stop: PyBuffer<u8>,
) -> PyResult<Bound<'py, PyByteArray>> {
    let (parent, stop) = (slice(py, &parent)?, slice(py, &stop)?);
    if parent.len() != stop.len() || parent.iter().any(|above| above.get() >= parent.len() as i64) {
        return Err(PyValueError::new_err("a parent is no node"));
    }
    let mut found = vec![UNKNOWN; parent.len()];
    let mut way = Vec::new();
    for node in 0..parent.len() {
        let mut at = node;
        let above = loop {
            match found[at] {
                UNKNOWN => {}
                ON_THE_WAY => break NONE, // a circle, which is no forest
                known => break known,
            }
            found[at] = ON_THE_WAY;
            way.push(at);
            match parent[at].get() {
                above if above < 0 => break NONE,
                above if stop[above as usize].get() != 0 => break above,
                above => at = above as usize,
            }
        };
        for passed in way.drain(..) {
            found[passed] = above;
        }
    }
    PyByteArray::new_with(py, 8 * found.len(), |bytes| {
        for (place, above) in bytes.chunks_exact_mut(8).zip(&found) {
            place.copy_from_slice(&above.to_le_bytes());
        }
        Ok(())
    })
}

pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(nearest, module)?)
}
