//! Types that the driver was not born with, and values of them.

use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

pub(crate) const TYPES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE TYPE point2 AS (x int, y int);
    CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
    CREATE DOMAIN best AS mood CHECK (VALUE <> 'sad');
    CREATE TABLE visit (id int PRIMARY KEY, mood mood, moods mood[], at point2, share percent, best best);
";

/// Any value of a type that the program does not know, as its bytes.
pub(crate) struct Opaque(pub(crate) Vec<u8>);

impl<'a> FromSql<'a> for Opaque {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Opaque(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

/// What a domain is made of, else the type itself.
fn base(ty: &Type) -> &Type {
    match ty.kind() {
        Kind::Domain(of) => base(of),
        _ => ty,
    }
}

/// A label of an enum.
#[derive(Debug)]
pub(crate) struct Label(pub(crate) &'static str);

impl ToSql for Label {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        matches!(base(ty).kind(), Kind::Enum(_))
    }
    to_sql_checked!();
}

/// A composite of two numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Point(pub(crate) i32, pub(crate) i32);

impl ToSql for Point {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(2);
        for number in [self.0, self.1] {
            out.put_u32(Type::INT4.oid());
            out.put_i32(4);
            out.put_i32(number);
        }
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Composite(fields) if fields.len() == 2)
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Point {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let number = |at: usize| -> Result<i32, Box<dyn Error + Sync + Send>> {
            Ok(i32::from_be_bytes(raw.get(at..at + 4).ok_or("too short")?.try_into()?))
        };
        Ok(Point(number(12)?, number(24)?))
    }
    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Composite(_))
    }
}

/// A number of a domain.
#[derive(Debug)]
pub(crate) struct Share(pub(crate) i32);

impl ToSql for Share {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(self.0);
        Ok(IsNull::No)
    }
    fn accepts(ty: &Type) -> bool {
        *base(ty) == Type::INT4
    }
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Share {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Share(i32::from_be_bytes(raw.try_into()?)))
    }
    fn accepts(ty: &Type) -> bool {
        *base(ty) == Type::INT4
    }
}
