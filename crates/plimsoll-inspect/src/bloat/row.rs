//! How wide a row or an index entry is, by the statistics of its columns.
//!
//! PostgreSQL puts the columns one after the other, each at a multiple of its type's alignment, except that a short text (up to 126
//! bytes) needs none. A null takes no room; a row that has one has a bitmap of all columns in its header. The whole is rounded up
//! to 8 bytes. Where a width varies the padding behind it is not known, and half of the most is taken.

/// What is known of one column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Bytes of its type; `None` where they vary.
    pub fixed: Option<f64>,
    /// The multiple of bytes at which it begins: 1, 2, 4 or 8.
    pub align: f64,
    /// Its average width in bytes where it is not null, with its own header.
    pub width: Option<f64>,
    /// The share of rows in which it is null.
    pub nulls: Option<f64>,
    /// A text without a length word: in an index, of the type `name`.
    pub is_cstring: bool,
    /// How many different values there are; where it is negative, times the number of rows.
    pub distinct: Option<f64>,
    /// The shares of the most common values.
    pub common: Vec<f64>,
}

impl Column {
    /// Reads `length:alignment:width:nulls:is_required[:distinct:common]` for each column, divided by semicolons.
    #[must_use]
    pub fn read(text: &str) -> Vec<Self> {
        text.split(';').filter(|column| !column.is_empty()).map(Column::one).collect()
    }

    fn one(text: &str) -> Self {
        let mut parts = text.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let length: f64 = next().parse().unwrap_or(-1.0);
        let align = match next() {
            "d" => 8.0,
            "i" => 4.0,
            "s" => 2.0,
            _ => 1.0,
        };
        let fixed = (length > 0.0).then_some(length);
        let width = next_number(next()).or(fixed);
        let nulls = next_number(next());
        let is_required = next() == "t";
        Column {
            fixed,
            align,
            width,
            nulls: nulls.or(is_required.then_some(0.0)),
            is_cstring: length < -1.0,
            distinct: next_number(next()),
            common: next().split(' ').filter_map(|share| share.parse().ok()).collect(),
        }
    }
}

fn next_number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The data of a row: how many bytes, and whether that is the same in each row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Data {
    /// On average.
    pub bytes: f64,
    /// In all rows.
    pub is_exact: bool,
    /// The share of rows in which a column is null.
    pub with_nulls: f64,
}

/// The data of rows with these columns; `None` if the width of one is not known.
#[must_use]
pub fn data(columns: &[Column]) -> Option<Data> {
    let mut data = Data { bytes: 0.0, is_exact: true, with_nulls: 0.0 };
    let mut without_nulls = 1.0;
    for column in columns {
        let (width, nulls) = (column.width?, column.nulls?);
        let align = match column.fixed {
            // A short one has a header of one byte and stands anywhere.
            None if width <= 126.0 => 1.0,
            _ => column.align,
        };
        let padding = match data.is_exact {
            true => up_to(data.bytes, align) - data.bytes,
            false => (align - 1.0) / 2.0,
        };
        data.bytes += (1.0 - nulls) * (padding + width);
        data.is_exact &= column.fixed.is_some() && (nulls == 0.0 || nulls == 1.0);
        without_nulls *= 1.0 - nulls;
    }
    data.with_nulls = 1.0 - without_nulls;
    Some(data)
}

/// A row or an entry with this header, rounded up to 8 bytes, without its line pointer.
#[must_use]
pub fn rounded(data: Data, header: f64) -> f64 {
    match data.is_exact {
        true => up_to(header + data.bytes, 8.0),
        false => header + data.bytes + 3.5,
    }
}

/// The next multiple.
#[must_use]
pub fn up_to(bytes: f64, multiple: f64) -> f64 {
    (bytes / multiple).ceil() * multiple
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_as_postgresql_does() {
        let bytes =
            |text: &str| data(&Column::read(text)).map(|data| (data.bytes, data.is_exact, data.with_nulls));
        assert_eq!(bytes("4:i:4:0:t;8:d:8:0:t"), Some((16.0, true, 0.0)), "four bytes of padding");
        assert_eq!(bytes("8:d:8:0:t;4:i:4:0:t"), Some((12.0, true, 0.0)), "none in this order");
        assert_eq!(bytes("4:i:4:0:t;-1:i:11:0:f"), Some((15.0, false, 0.0)), "a short text stands anywhere");
        assert_eq!(bytes("4:i:4:0:t;-1:i:200:0:f"), Some((204.0, false, 0.0)));
        assert_eq!(
            bytes("-1:i:11:0:f;8:d:8:0:t"),
            Some((22.5, false, 0.0)),
            "behind it the padding is not known"
        );
        assert_eq!(bytes("8:d:8:0.5:f"), Some((4.0, false, 0.5)));
        assert_eq!(
            bytes("8:d:8::t"),
            Some((8.0, true, 0.0)),
            "a required column of a fixed width needs no statistics"
        );
        assert_eq!(bytes("8:d:::f"), None);
        assert_eq!(bytes("-1:i::0:f"), None);
    }
}
