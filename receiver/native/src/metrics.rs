//! Data points into the five `otel_metrics_*` tables.

use crate::attributes::{Attributes, List};
use crate::clean::{Cleaner, Limits};
use crate::column::{Array, Column, Labels, Numbers, Strings};
use crate::sink::{push, put_id, Env, Head, Refused, Sink};
use crate::wire::{varint, Fields, Malformed, Message, Value};

/// What a metric holds, in the order of `Tables::kinds`; the numbers are the fields of `Metric`.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExpHistogram,
    Summary,
}

impl Kind {
    pub const ALL: [Kind; 5] = [Kind::Gauge, Kind::Sum, Kind::Histogram, Kind::ExpHistogram, Kind::Summary];

    pub fn table(self) -> &'static str {
        match self {
            Kind::Gauge => "otel_metrics_gauge",
            Kind::Sum => "otel_metrics_sum",
            Kind::Histogram => "otel_metrics_histogram",
            Kind::ExpHistogram => "otel_metrics_exp_histogram",
            Kind::Summary => "otel_metrics_summary",
        }
    }

    fn of_field(number: u32) -> Option<Self> {
        match number {
            5 => Some(Kind::Gauge),
            7 => Some(Kind::Sum),
            9 => Some(Kind::Histogram),
            10 => Some(Kind::ExpHistogram),
            11 => Some(Kind::Summary),
            _ => None,
        }
    }
}

/// A metric; its points are still to be read.
#[derive(Default)]
struct Metric<'a> {
    name: &'a [u8],
    description: &'a [u8],
    unit: &'a [u8],
    kind: Option<Kind>,
    /// The gauge, sum, … message; more than one where the field came in parts.
    data: Vec<Message<'a>>,
    points: usize,
    temporality: i32,
    monotonic: bool,
}

impl<'a> Metric<'a> {
    fn parse(message: Message<'a>, limits: &Limits) -> Result<Self, Refused> {
        let mut metric = Metric::default();
        let mut fields = message.fields();
        while let Some((number, value)) = fields.next()? {
            let Value::Bytes(bytes) = value else { continue };
            match (number, Kind::of_field(number)) {
                (1, _) => metric.name = bytes,
                (2, _) => metric.description = bytes,
                (3, _) => metric.unit = bytes,
                (_, Some(kind)) => metric.read_data(kind, fields.message(bytes), limits)?,
                _ => {}
            }
        }
        Ok(metric)
    }

    fn read_data(&mut self, kind: Kind, message: Message<'a>, limits: &Limits) -> Result<(), Refused> {
        if let Some(other) = self.kind.filter(|&other| other != kind) {
            // One of a kind: what came before is void, but has to be well-formed.
            let mut point = Point::default();
            self.each_point(|message| point.read(other, message, limits))?;
            *self =
                Metric { name: self.name, description: self.description, unit: self.unit, ..Self::default() };
        }
        self.kind = Some(kind);
        self.data.push(message);
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(_)) => self.points += 1,
                (2, Value::Varint(number)) if kind != Kind::Gauge => self.temporality = number as i32,
                (3, Value::Varint(number)) if kind == Kind::Sum => self.monotonic = number != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn each_point(&self, mut take: impl FnMut(Message<'a>) -> Result<(), Refused>) -> Result<(), Refused> {
        for data in &self.data {
            let mut fields = data.fields();
            while let Some(field) = fields.next()? {
                if let (1, Value::Bytes(bytes)) = field {
                    take(fields.message(bytes))?;
                }
            }
        }
        Ok(())
    }
}

/// A data point of any kind; what a kind does not have stays empty.
#[derive(Default)]
struct Point<'a> {
    attributes: List<'a>,
    exemplars: Vec<Exemplar<'a>>,
    start: u64,
    time: u64,
    value: f64,
    flags: u32,
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    bucket_counts: Vec<u8>,
    explicit_bounds: Vec<u8>,
    scale: i32,
    zero_count: u64,
    positive: Buckets,
    negative: Buckets,
    quantiles: Vec<(f64, f64)>,
}

#[derive(Default)]
struct Buckets {
    offset: i32,
    counts: Vec<u64>,
}

#[derive(Default)]
struct Exemplar<'a> {
    time: u64,
    value: f64,
    span_id: &'a [u8],
    trace_id: &'a [u8],
    attributes: List<'a>,
}

impl<'a> Point<'a> {
    /// Read `message` in place of what was here; the room for attributes is used again.
    fn read(&mut self, kind: Kind, message: Message<'a>, limits: &Limits) -> Result<(), Refused> {
        let mut attributes = std::mem::take(&mut self.attributes);
        attributes.clear();
        *self = Point { attributes, ..Point::default() };
        let mut fields = message.fields();
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (2, Value::Fixed64(time)) => self.start = time,
                (3, Value::Fixed64(time)) => self.time = time,
                _ => match kind {
                    Kind::Gauge | Kind::Sum => self.number_field(&fields, number, value, limits)?,
                    Kind::Histogram => self.histogram_field(&fields, number, value, limits)?,
                    Kind::ExpHistogram => self.exp_histogram_field(&fields, number, value, limits)?,
                    Kind::Summary => self.summary_field(&fields, number, value, limits)?,
                },
            }
        }
        Ok(())
    }

    fn attribute(&mut self, message: Message<'a>, limits: &Limits) -> Result<(), Refused> {
        Ok(self.attributes.push(message, limits.attributes)?)
    }

    fn exemplar(&mut self, message: Message<'a>, limits: &Limits) -> Result<(), Refused> {
        push(&mut self.exemplars, Exemplar::parse(message, limits)?, limits)
    }

    fn number_field(
        &mut self,
        fields: &Fields<'a>,
        number: u32,
        value: Value<'a>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        match (number, value) {
            (4, Value::Fixed64(bits)) => self.value = f64::from_bits(bits),
            (5, Value::Bytes(bytes)) => self.exemplar(fields.message(bytes), limits)?,
            (6, Value::Fixed64(bits)) => self.value = bits as i64 as f64,
            (7, Value::Bytes(bytes)) => self.attribute(fields.message(bytes), limits)?,
            (8, Value::Varint(flags)) => self.flags = flags as u32,
            _ => {}
        }
        Ok(())
    }

    fn histogram_field(
        &mut self,
        fields: &Fields<'a>,
        number: u32,
        value: Value<'a>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        match (number, value) {
            (4, Value::Fixed64(count)) => self.count = count,
            (5, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
            (6, value) => put_fixed(&mut self.bucket_counts, value)?,
            (7, value) => put_fixed(&mut self.explicit_bounds, value)?,
            (8, Value::Bytes(bytes)) => self.exemplar(fields.message(bytes), limits)?,
            (9, Value::Bytes(bytes)) => self.attribute(fields.message(bytes), limits)?,
            (10, Value::Varint(flags)) => self.flags = flags as u32,
            (11, Value::Fixed64(bits)) => self.min = f64::from_bits(bits),
            (12, Value::Fixed64(bits)) => self.max = f64::from_bits(bits),
            _ => {}
        }
        Ok(())
    }

    fn exp_histogram_field(
        &mut self,
        fields: &Fields<'a>,
        number: u32,
        value: Value<'a>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        match (number, value) {
            (1, Value::Bytes(bytes)) => self.attribute(fields.message(bytes), limits)?,
            (4, Value::Fixed64(count)) => self.count = count,
            (5, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
            (6, Value::Varint(number)) => self.scale = zigzag(number),
            (7, Value::Fixed64(count)) => self.zero_count = count,
            (8, Value::Bytes(bytes)) => self.positive.merge(fields.message(bytes))?,
            (9, Value::Bytes(bytes)) => self.negative.merge(fields.message(bytes))?,
            (10, Value::Varint(flags)) => self.flags = flags as u32,
            (11, Value::Bytes(bytes)) => self.exemplar(fields.message(bytes), limits)?,
            (12, Value::Fixed64(bits)) => self.min = f64::from_bits(bits),
            (13, Value::Fixed64(bits)) => self.max = f64::from_bits(bits),
            _ => {}
        }
        Ok(())
    }

    fn summary_field(
        &mut self,
        fields: &Fields<'a>,
        number: u32,
        value: Value<'a>,
        limits: &Limits,
    ) -> Result<(), Refused> {
        match (number, value) {
            (4, Value::Fixed64(count)) => self.count = count,
            (5, Value::Fixed64(bits)) => self.sum = f64::from_bits(bits),
            (6, Value::Bytes(bytes)) => push(&mut self.quantiles, quantile(fields.message(bytes))?, limits)?,
            (7, Value::Bytes(bytes)) => self.attribute(fields.message(bytes), limits)?,
            (8, Value::Varint(flags)) => self.flags = flags as u32,
            _ => {}
        }
        Ok(())
    }
}

impl Buckets {
    fn merge(&mut self, message: Message) -> Result<(), Malformed> {
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Varint(number)) => self.offset = zigzag(number),
                (2, Value::Varint(count)) => self.counts.push(count),
                (2, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        self.counts.push(varint(&mut packed)?);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> Exemplar<'a> {
    fn parse(message: Message<'a>, limits: &Limits) -> Result<Self, Malformed> {
        let mut exemplar = Exemplar::default();
        let mut fields = message.fields();
        while let Some(field) = fields.next()? {
            match field {
                (2, Value::Fixed64(time)) => exemplar.time = time,
                (3, Value::Fixed64(bits)) => exemplar.value = f64::from_bits(bits),
                (4, Value::Bytes(id)) => exemplar.span_id = id,
                (5, Value::Bytes(id)) => exemplar.trace_id = id,
                (6, Value::Fixed64(bits)) => exemplar.value = bits as i64 as f64,
                (7, Value::Bytes(bytes)) => {
                    exemplar.attributes.push(fields.message(bytes), limits.attributes)?;
                }
                _ => {}
            }
        }
        Ok(exemplar)
    }
}

/// Repeated 8-byte values, packed or one by one.
fn put_fixed(out: &mut Vec<u8>, value: Value) -> Result<(), Malformed> {
    match value {
        Value::Fixed64(bits) => out.extend_from_slice(&bits.to_le_bytes()),
        Value::Bytes(packed) if packed.len() % 8 == 0 => out.extend_from_slice(packed),
        Value::Bytes(_) => return Err(Malformed),
        _ => {}
    }
    Ok(())
}

fn zigzag(number: u64) -> i32 {
    let number = number as u32;
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

fn quantile(message: Message) -> Result<(f64, f64), Malformed> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut fields = message.fields();
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Fixed64(bits)) => quantile = f64::from_bits(bits),
            (2, Value::Fixed64(bits)) => value = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok((quantile, value))
}

/// The columns that all five tables begin with.
#[derive(Default)]
struct Heads {
    resource: Attributes,
    resource_url: Strings,
    scope_name: Strings,
    scope_version: Strings,
    scope: Attributes,
    scope_dropped: Numbers,
    scope_url: Strings,
    service: Labels,
    name: Strings,
    description: Strings,
    unit: Strings,
    attributes: Attributes,
    start: Numbers,
    time: Numbers,
}

impl Heads {
    fn columns(&mut self) -> Vec<&mut dyn Column> {
        vec![
            &mut self.resource,
            &mut self.resource_url,
            &mut self.scope_name,
            &mut self.scope_version,
            &mut self.scope,
            &mut self.scope_dropped,
            &mut self.scope_url,
            &mut self.service,
            &mut self.name,
            &mut self.description,
            &mut self.unit,
            &mut self.attributes,
            &mut self.start,
            &mut self.time,
        ]
    }

    fn push(&mut self, head: &Head, names: &Names) {
        self.resource.push_shared(&head.resource);
        self.resource_url.push(&head.resource_url);
        self.scope_name.push(&head.scope_name);
        self.scope_version.push(&head.scope_version);
        self.scope.push_shared(&head.scope);
        self.scope_dropped.push(head.scope_dropped.to_le_bytes());
        self.scope_url.push(&head.scope_url);
        self.service.push(&head.resource.service);
        self.name.push(&names.name);
        self.description.push(&names.description);
        self.unit.push(&names.unit);
    }
}

/// `Exemplars.*`, which all tables but that of summaries have.
#[derive(Default)]
struct Exemplars {
    attributes: Array<Attributes>,
    time: Array<Numbers>,
    value: Array<Numbers>,
    span_id: Array<Strings>,
    trace_id: Array<Strings>,
}

impl Exemplars {
    fn columns(&mut self) -> [&mut dyn Column; 5] {
        [&mut self.attributes, &mut self.time, &mut self.value, &mut self.span_id, &mut self.trace_id]
    }

    fn push(&mut self, exemplars: &[Exemplar], point_time: u64, clean: &mut Cleaner) {
        for exemplar in exemplars {
            self.attributes.items.push(&exemplar.attributes, clean);
            self.time.items.push(clean.time(exemplar.time, point_time).to_le_bytes());
            self.value.items.push(exemplar.value.to_le_bytes());
            put_id::<8>(&mut self.span_id.items, exemplar.span_id, clean);
            put_id::<16>(&mut self.trace_id.items, exemplar.trace_id, clean);
        }
        self.attributes.end(exemplars.len());
        self.time.end(exemplars.len());
        self.value.end(exemplars.len());
        self.span_id.end(exemplars.len());
        self.trace_id.end(exemplars.len());
    }
}

/// The columns of one table; those that its kind does not have stay empty and are not written.
#[derive(Default)]
pub struct Points {
    pub rows: usize,
    heads: Heads,
    exemplars: Exemplars,
    value: Numbers,
    flags: Numbers,
    count: Numbers,
    sum: Numbers,
    min: Numbers,
    max: Numbers,
    bucket_counts: Array<Numbers>,
    explicit_bounds: Array<Numbers>,
    scale: Numbers,
    zero_count: Numbers,
    positive_offset: Numbers,
    positive_counts: Array<Numbers>,
    negative_offset: Numbers,
    negative_counts: Array<Numbers>,
    quantiles: Array<Numbers>,
    quantile_values: Array<Numbers>,
    temporality: Numbers,
    monotonic: Numbers,
}

impl Points {
    pub fn columns(&mut self, kind: Kind) -> Vec<&mut dyn Column> {
        let mut columns = self.heads.columns();
        let exemplars = self.exemplars.columns();
        let (own, last): (Vec<&mut dyn Column>, Vec<&mut dyn Column>) = match kind {
            Kind::Gauge => (vec![&mut self.value, &mut self.flags], vec![]),
            Kind::Sum => {
                (vec![&mut self.value, &mut self.flags], vec![&mut self.temporality, &mut self.monotonic])
            }
            Kind::Histogram => (
                vec![&mut self.count, &mut self.sum, &mut self.bucket_counts, &mut self.explicit_bounds],
                vec![&mut self.flags, &mut self.min, &mut self.max, &mut self.temporality],
            ),
            Kind::ExpHistogram => (
                vec![
                    &mut self.count,
                    &mut self.sum,
                    &mut self.scale,
                    &mut self.zero_count,
                    &mut self.positive_offset,
                    &mut self.positive_counts,
                    &mut self.negative_offset,
                    &mut self.negative_counts,
                ],
                vec![&mut self.flags, &mut self.min, &mut self.max, &mut self.temporality],
            ),
            Kind::Summary => (
                vec![
                    &mut self.count,
                    &mut self.sum,
                    &mut self.quantiles,
                    &mut self.quantile_values,
                    &mut self.flags,
                ],
                vec![],
            ),
        };
        columns.extend(own);
        if kind != Kind::Summary {
            columns.extend(exemplars);
        }
        columns.extend(last);
        columns
    }

    fn push(&mut self, head: &Head, names: &Names, metric: &Metric, point: &Point, env: &mut Env) {
        let clean = &mut env.clean;
        self.rows += 1;
        self.heads.push(head, names);
        self.heads.attributes.push(&point.attributes, clean);
        let start = if point.start == 0 { 0 } else { clean.time(point.start, 0) };
        let time = clean.time(point.time, clean.received);
        self.heads.start.push(start.to_le_bytes());
        self.heads.time.push(time.to_le_bytes());
        self.flags.push(point.flags.to_le_bytes());
        match metric.kind {
            Some(Kind::Gauge | Kind::Sum) => self.value.push(point.value.to_le_bytes()),
            Some(Kind::Histogram) => self.push_histogram(point),
            Some(Kind::ExpHistogram) => self.push_exp_histogram(point),
            Some(Kind::Summary) => self.push_summary(point),
            None => {}
        }
        self.temporality.push(metric.temporality.to_le_bytes());
        self.monotonic.push([u8::from(metric.monotonic)]);
        self.exemplars.push(&point.exemplars, time, clean);
    }

    fn push_totals(&mut self, point: &Point) {
        self.count.push(point.count.to_le_bytes());
        self.sum.push(point.sum.to_le_bytes());
    }

    fn push_histogram(&mut self, point: &Point) {
        self.push_totals(point);
        self.min.push(point.min.to_le_bytes());
        self.max.push(point.max.to_le_bytes());
        self.bucket_counts.items.extend(&point.bucket_counts);
        self.bucket_counts.end(point.bucket_counts.len() / 8);
        self.explicit_bounds.items.extend(&point.explicit_bounds);
        self.explicit_bounds.end(point.explicit_bounds.len() / 8);
    }

    fn push_exp_histogram(&mut self, point: &Point) {
        self.push_totals(point);
        self.min.push(point.min.to_le_bytes());
        self.max.push(point.max.to_le_bytes());
        self.scale.push(point.scale.to_le_bytes());
        self.zero_count.push(point.zero_count.to_le_bytes());
        self.positive_offset.push(point.positive.offset.to_le_bytes());
        push_counts(&mut self.positive_counts, &point.positive.counts);
        self.negative_offset.push(point.negative.offset.to_le_bytes());
        push_counts(&mut self.negative_counts, &point.negative.counts);
    }

    fn push_summary(&mut self, point: &Point) {
        self.push_totals(point);
        for (quantile, value) in &point.quantiles {
            self.quantiles.items.push(quantile.to_le_bytes());
            self.quantile_values.items.push(value.to_le_bytes());
        }
        self.quantiles.end(point.quantiles.len());
        self.quantile_values.end(point.quantiles.len());
    }
}

fn push_counts(column: &mut Array<Numbers>, counts: &[u64]) {
    for count in counts {
        column.items.push(count.to_le_bytes());
    }
    column.end(counts.len());
}

/// What a metric says about all its points.
struct Names {
    name: Vec<u8>,
    description: Vec<u8>,
    unit: Vec<u8>,
}

/// Reads data points and, unless it only checks, stores them.
#[derive(Default)]
pub struct DataPoints<'a> {
    pub tables: [Points; Kind::ALL.len()],
    pub items: usize,
    check_only: bool,
    point: Point<'a>,
}

impl DataPoints<'_> {
    pub fn checking() -> Self {
        DataPoints { check_only: true, ..Default::default() }
    }
}

impl<'a> Sink<'a> for DataPoints<'a> {
    const WHOLE_SCOPE: bool = true;

    fn copied(_head: &Head) -> usize {
        0 // metrics are no rows: see `item`
    }

    fn item(&mut self, head: &Head, item: Message<'a>, env: &mut Env) -> Result<(), Refused> {
        let limits = env.clean.limits;
        let metric = Metric::parse(item, limits)?;
        let Some(kind) = metric.kind else { return Ok(()) };
        let names = Names {
            name: env.clean.name(metric.name).into_owned(),
            description: env.clean.name(metric.description).into_owned(),
            unit: env.clean.name(metric.unit).into_owned(),
        };
        env.items(metric.points)?;
        env.copies(copied(head, &names), metric.points)?;
        metric.each_point(|message| {
            self.point.read(kind, message, limits)?;
            env.items(self.point.exemplars.len() + self.point.quantiles.len())?;
            self.items += 1;
            if !self.check_only {
                self.tables[kind as usize].push(head, &names, &metric, &self.point, env);
            }
            Ok(())
        })
    }
}

fn copied(head: &Head, names: &Names) -> usize {
    head.resource.size
        + head.scope.size
        + head.resource_url.len()
        + head.scope_url.len()
        + head.scope_name.len()
        + head.scope_version.len()
        + names.name.len()
        + names.description.len()
        + names.unit.len()
}
