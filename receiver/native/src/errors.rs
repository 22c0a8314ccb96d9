//! Classes of errors: of patterns tried in order, the first that matches `<type> <message>`. They are of bytes: a `.` is one.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use regex::bytes::{Regex, RegexBuilder};

#[pyclass(frozen)]
pub struct ErrorClasses {
    patterns: Vec<Regex>,
}

#[pymethods]
impl ErrorClasses {
    /// Patterns as the store reads them (RE2); raises `ValueError` for one that is none.
    #[new]
    fn new(patterns: Vec<String>) -> PyResult<Self> {
        let read = |pattern: &String| {
            let built = RegexBuilder::new(pattern).unicode(false).dot_matches_new_line(true).build();
            built.map_err(|error| PyValueError::new_err(error.to_string()))
        };
        Ok(ErrorClasses { patterns: patterns.iter().map(read).collect::<PyResult<_>>()? })
    }

    /// The number of each error's pattern, or how many patterns there are where none matches.
    fn classify(&self, py: Python<'_>, errors: Vec<(PyBackedBytes, PyBackedBytes)>) -> Vec<usize> {
        py.detach(|| {
            let mut text = Vec::new();
            let mut number = |(kind, message): &(PyBackedBytes, PyBackedBytes)| {
                text.clear();
                text.extend_from_slice(kind);
                text.push(b' ');
                text.extend_from_slice(message);
                let found = self.patterns.iter().position(|pattern| pattern.is_match(&text));
                found.unwrap_or(self.patterns.len())
            };
            errors.iter().map(&mut number).collect()
        })
    }
}
