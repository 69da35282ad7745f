//! How a file of readings is written: CSV for spreadsheets, NDJSON for programs. No database here.
//!
//! A spreadsheet takes a field that begins with `=`, `+`, `-` or `@` for a formula, and runs it. The name of a metric is chosen
//! by the device that sends it, so such a name gets an apostrophe before it, which a spreadsheet shows as text. A value is a
//! number, a truth value or `null`, so none of them can be a formula, and they are written as they are stored. Programs that
//! need the names unchanged take NDJSON.

use super::query::Format;
use super::store::Shown;
use plimsoll::{Error, Result};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The columns of CSV: a line for each metric of each reading.
pub const COLUMNS: [&str; 4] = ["ts", "seq", "metric", "value"];

/// With what a field begins that a spreadsheet does not take for text; those behind the first six are the same letters in
/// another width.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

impl Format {
    /// As HTTP names it.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Ndjson => "application/x-ndjson",
        }
    }

    /// The end of a file's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
        }
    }

    /// What a file begins with.
    #[must_use]
    pub fn head(self) -> Vec<u8> {
        match self {
            Format::Csv => format!("{}\r\n", COLUMNS.join(",")).into_bytes(),
            Format::Ndjson => Vec::new(),
        }
    }

    /// Writes readings behind what is there.
    ///
    /// # Errors
    /// For a stored reading that cannot be read.
    pub fn write(self, readings: &[Shown], file: &mut Vec<u8>) -> Result<()> {
        match self {
            Format::Csv => write_csv(readings, file),
            Format::Ndjson => write_ndjson(readings, file),
        }
    }
}

fn write_csv(readings: &[Shown], file: &mut Vec<u8>) -> Result<()> {
    let mut lines = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(file);
    for reading in readings {
        let (ts, seq) = (reading.ts.to_string(), reading.seq.to_string());
        for (metric, value) in metrics(reading)? {
            let line = [ts.as_str(), seq.as_str(), &as_text(metric), value.get()];
            lines.write_record(line).map_err(|problem| Error::abort(problem.to_string()))?;
        }
    }
    lines.flush().map_err(|problem| Error::abort(problem.to_string()))
}

fn write_ndjson(readings: &[Shown], file: &mut Vec<u8>) -> Result<()> {
    for reading in readings {
        serde_json::to_writer(&mut *file, reading).map_err(|problem| Error::abort(problem.to_string()))?;
        file.push(b'\n');
    }
    Ok(())
}

/// Each metric with its value as it is stored.
fn metrics(reading: &Shown) -> Result<BTreeMap<String, &RawValue>> {
    serde_json::from_str(reading.metrics.get()).map_err(|_| Error::abort("stored metrics are no JSON object"))
}

/// A name that no spreadsheet runs.
fn as_text(name: String) -> String {
    if name.starts_with(FORMULA) { format!("'{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(metrics: &str) -> Shown {
        let ts = "2025-06-15T12:00:00.5Z".parse().unwrap();
        Shown { ts, seq: -7, metrics: RawValue::from_string(metrics.to_owned()).unwrap() }
    }

    fn csv_of(metrics: &str) -> String {
        let mut file = Format::Csv.head();
        Format::Csv.write(&[reading(metrics)], &mut file).unwrap();
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn a_value_is_written_as_it_is_stored() {
        let exact = csv_of(r#"{"t": -0.12345678901234567890, "on": true}"#);
        let lines: Vec<&str> = exact.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "ts,seq,metric,value",
                "2025-06-15T12:00:00.5Z,-7,on,true",
                "2025-06-15T12:00:00.5Z,-7,t,-0.12345678901234567890",
                ""
            ]
        );
    }

    #[test]
    fn no_name_is_a_formula_and_none_leaves_its_field() {
        for name in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "=HYPERLINK(\"http://x\",\"y\")"] {
            let metrics = serde_json::json!({ name: 1 }).to_string();
            let text = csv_of(&metrics);
            let mut read = csv::Reader::from_reader(text.as_bytes());
            let field = read.records().next().unwrap().unwrap()[2].to_owned();
            assert_eq!(field, format!("'{name}"));
        }
        let text = csv_of(r#"{"a,\"b\"\r\nc": 1}"#);
        let mut read = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(&read.records().next().unwrap().unwrap()[2], "a,\"b\"\r\nc");
    }

    #[test]
    fn a_line_of_ndjson_is_a_reading() {
        let mut file = Format::Ndjson.head();
        let readings = [reading(r#"{"t": 1.50}"#), reading("{}")];
        Format::Ndjson.write(&readings, &mut file).unwrap();
        let line = r#"{"ts":"2025-06-15T12:00:00.5Z","seq":-7,"metrics":"#;
        let expected = format!("{line}{{\"t\": 1.50}}}}\n{line}{{}}}}\n");
        assert_eq!(String::from_utf8(file).unwrap(), expected);
    }
}
