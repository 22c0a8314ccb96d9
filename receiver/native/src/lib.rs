use pyo3::prelude::*;

/// OTLP request bytes to ClickHouse Native blocks.
#[pymodule]
fn _native(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
