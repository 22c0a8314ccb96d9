//! OTLP request bytes to ClickHouse `Native` blocks.
//!
//! Gives the same bytes as `spanruns_receiver.decode.portable`. Reads hostile input: every length is checked, recursion
//! is bounded, what a payload may grow to is bounded, and a panic would come out as an exception.

mod attributes;
mod clean;
mod column;
mod errors;
mod facts;
mod forest;
mod keys;
mod logs;
mod metrics;
mod sink;
mod texts;
mod traces;
mod value;
mod wire;

use std::collections::HashMap;
use std::io::Write;
use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use clean::{Limits, REASON_NAMES};
use column::Column;
use facts::{FactMaker, Given, Program, NAMES};
use metrics::Kind;
use sink::{Env, Refused};
use traces::REJECTIONS;

/// Raised with every change of what Python gives or gets; `spanruns_receiver.decode.compiled` asks for it.
const VERSION: u32 = 21;
const FACTS: &str = "span_facts";

/// By table, each column's name and type as they stand in a block.
type Headers = HashMap<String, Vec<Vec<u8>>>;
type Counts = Vec<(&'static str, u64)>;
/// (value bytes, name bytes, attributes, nesting, members, items, copies)
type LimitNumbers = (usize, usize, usize, usize, usize, usize, usize);

#[derive(Clone, Copy, PartialEq)]
enum Signal {
    Traces,
    Logs,
    Metrics,
}

struct Made {
    blocks: Vec<Block>,
    cleaned: Counts,
    rejected: Counts,
}

/// Rows of a table; the pieces of its block in order.
struct Block {
    table: &'static str,
    rows: usize,
    pieces: Vec<Vec<u8>>,
}

impl Block {
    /// Its bytes; each piece is freed when it is copied.
    fn bytes<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let size = self.pieces.iter().map(Vec::len).sum();
        PyBytes::new_with(py, size, |mut room| {
            for piece in self.pieces {
                room.write_all(&piece)?;
            }
            Ok(())
        })
    }
}

/// A payload that is not taken, by its position, and why.
struct Failed(usize, &'static str);

/// How facts are made: `spanruns_schema.dialects.program.Program`.
#[pyclass(frozen)]
struct Mapper {
    program: Program,
}

#[pymethods]
impl Mapper {
    #[new]
    fn new(program: Given) -> PyResult<Self> {
        Ok(Mapper { program: Program::new(program)? })
    }
}

#[pyclass(frozen)]
struct Decoder {
    headers: Headers,
}

#[pymethods]
impl Decoder {
    #[new]
    fn new(headers: Headers) -> Self {
        Decoder { headers }
    }

    /// `([(table, rows, native)], [(cleaned, count)], [(rejected, count)])`; raises `ValueError(position, reason)`.
    /// With `mapper` there is a table of facts.
    #[allow(clippy::type_complexity, clippy::too_many_arguments)]
    #[pyo3(signature = (signal, payloads, received, limits, mapper=None))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        signal: &str,
        payloads: Vec<PyBackedBytes>,
        received: Vec<u64>,
        limits: LimitNumbers,
        mapper: Option<Bound<'py, Mapper>>,
    ) -> PyResult<(Vec<(&'static str, usize, Bound<'py, PyBytes>)>, Counts, Counts)> {
        let (signal, limits) = (signal_of(signal)?, limits_of(limits));
        let program = mapper.as_ref().map(|mapper| &mapper.get().program);
        let made = run(py, || decode(signal, &payloads, &received, &limits, &self.headers, program))?;
        let blocks = made
            .blocks
            .into_iter()
            .map(|block| Ok((block.table, block.rows, block.bytes(py)?)))
            .collect::<PyResult<_>>()?;
        Ok((blocks, made.cleaned, made.rejected))
    }

    /// `(items, [(rejected, count)])`; raises `ValueError(0, reason)`.
    fn validate(
        &self,
        py: Python<'_>,
        signal: &str,
        payload: PyBackedBytes,
        limits: LimitNumbers,
    ) -> PyResult<(usize, Counts)> {
        let (signal, limits) = (signal_of(signal)?, limits_of(limits));
        run(py, || check(signal, &payload, &limits).map_err(|refused| failed(0, refused)))
    }
}

/// Run `work` without the GIL; a panic, which would be a defect here, becomes a `RuntimeError`.
fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Failed> + Send) -> PyResult<T> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Failed(position, reason))) => Err(PyValueError::new_err((position, reason))),
        Err(_) => Err(PyRuntimeError::new_err("the compiled decoder panicked")),
    }
}

fn signal_of(name: &str) -> PyResult<Signal> {
    match name {
        "traces" => Ok(Signal::Traces),
        "logs" => Ok(Signal::Logs),
        "metrics" => Ok(Signal::Metrics),
        _ => Err(PyRuntimeError::new_err(format!("no such signal: {name}"))),
    }
}

fn limits_of((value_bytes, name_bytes, attributes, nesting, members, items, copies): LimitNumbers) -> Limits {
    Limits { value_bytes, name_bytes, attributes, nesting, members, items, copies }
}

fn failed(position: usize, refused: Refused) -> Failed {
    let reason = match refused {
        Refused::Malformed => "malformed",
        Refused::Items => "items",
        Refused::Copies => "copies",
    };
    Failed(position, reason)
}

fn decode(
    signal: Signal,
    payloads: &[PyBackedBytes],
    received: &[u64],
    limits: &Limits,
    headers: &Headers,
    program: Option<&Program>,
) -> Result<Made, Failed> {
    let mut env = Env::new(limits);
    let at = |position: usize| received.get(position).copied().unwrap_or(0);
    let mut rejected = [0; REJECTIONS.len()];
    let mut blocks = Vec::new();
    let facts_block = |facts: Option<FactMaker>| {
        let mut facts = facts?.facts;
        block(FACTS, facts.rows, facts.columns(), headers)
    };
    match signal {
        Signal::Traces => {
            let mut spans = traces::Spans::new(program);
            for (position, payload) in payloads.iter().enumerate() {
                env.walk(&mut spans, payload, at(position)).map_err(|why| failed(position, why))?;
            }
            rejected = spans.rejected;
            let table = &mut spans.table;
            blocks.extend(block("otel_traces", table.rows, table.columns(), headers));
            blocks.extend(facts_block(spans.facts.take()));
        }
        Signal::Logs => {
            let mut records = logs::Records::new(program);
            for (position, payload) in payloads.iter().enumerate() {
                env.walk(&mut records, payload, at(position)).map_err(|why| failed(position, why))?;
            }
            let table = &mut records.table;
            blocks.extend(block("otel_logs", table.rows, table.columns(), headers));
            blocks.extend(facts_block(records.facts.take()));
        }
        Signal::Metrics => {
            let mut points = metrics::DataPoints::default();
            for (position, payload) in payloads.iter().enumerate() {
                env.walk(&mut points, payload, at(position)).map_err(|why| failed(position, why))?;
            }
            for kind in Kind::ALL {
                let table = &mut points.tables[kind as usize];
                blocks.extend(block(kind.table(), table.rows, table.columns(kind), headers));
            }
        }
    }
    Ok(Made {
        blocks,
        cleaned: counts(&REASON_NAMES, &env.clean.counts),
        rejected: counts(&REJECTIONS, &rejected),
    })
}

fn check(signal: Signal, payload: &[u8], limits: &Limits) -> Result<(usize, Counts), Refused> {
    let mut env = Env::new(limits);
    match signal {
        Signal::Traces => {
            let mut spans = traces::Spans::checking();
            env.walk(&mut spans, payload, 0)?;
            Ok((spans.items, counts(&REJECTIONS, &spans.rejected)))
        }
        Signal::Logs => {
            let mut records = logs::Records::checking();
            env.walk(&mut records, payload, 0)?;
            Ok((records.items, Vec::new()))
        }
        Signal::Metrics => {
            let mut points = metrics::DataPoints::checking();
            env.walk(&mut points, payload, 0)?;
            Ok((points.items, Vec::new()))
        }
    }
}

fn counts(names: &[&'static str], numbers: &[u64]) -> Counts {
    names.iter().copied().zip(numbers.iter().copied()).filter(|(_, number)| *number > 0).collect()
}

/// The block of one table; none without rows.
fn block(
    table: &'static str,
    rows: usize,
    columns: Vec<&mut dyn Column>,
    headers: &Headers,
) -> Option<Block> {
    if rows == 0 {
        return None;
    }
    let headers = &headers[table];
    assert_eq!(headers.len(), columns.len(), "columns of {table}");
    let mut start = Vec::new();
    column::put_varint(&mut start, columns.len());
    column::put_varint(&mut start, rows);
    let mut pieces = vec![start];
    for (header, column) in headers.iter().zip(columns) {
        pieces.push(header.clone());
        column.prefix(&mut pieces);
        column.values(&mut pieces);
    }
    Some(Block { table, rows, pieces })
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("OPTIMISED", !cfg!(debug_assertions))?;
    module.add("VERSION", VERSION)?;
    module.add("FACTS", NAMES)?;
    forest::add_to(module)?;
    keys::add_to(module)?;
    texts::add_to(module)?;
    module.add_class::<errors::ErrorClasses>()?;
    module.add_class::<Mapper>()?;
    module.add_class::<Decoder>()
}
