//! A statement with its values, as a peer sends it: by name where the server keeps names for one client, and as one text
//! behind a pooler that does not.

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// An id.
    Id(i64),
    /// A row that everybody wants.
    Row(i32),
    /// A time.
    Seconds(f64),
    /// One of a few words.
    Word(&'static str),
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub(super) struct Saying {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Value>,
}

impl Saying {
    pub(super) fn new<const N: usize>(sql: &'static str, values: [Value; N]) -> Self {
        Saying { sql, values: values.to_vec() }
    }

    /// As one text. The values are numbers and words of our own.
    pub(super) fn text(&self) -> String {
        let mut text = self.sql.to_owned();
        for (at, value) in self.values.iter().enumerate() {
            let value = match value {
                Value::Id(id) => format!("{id}::bigint"),
                Value::Row(row) => row.to_string(),
                Value::Seconds(seconds) => format!("{seconds:.6}"),
                Value::Word(word) => format!("'{word}'"),
            };
            text = text.replace(&format!("${}", at + 1), &value);
        }
        text
    }
}
