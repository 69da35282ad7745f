//! How many connections a program may still open, and what decides that.

use crate::answer::{Unreadable, rows};
use serde::Serialize;
use tokio_postgres::SimpleQueryMessage;

/// Asks for the room. The answer is read by [`Room::read`]. The session that asks is not counted.
pub const ROOM: &str = include_str!("sql/room.sql");

/// Connections, by what bounds them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Room {
    /// `max_connections`.
    pub most: u64,
    /// Those that only superusers and roles with `pg_use_reserved_connections` get.
    pub reserved: u64,
    /// Those of clients, in all databases.
    pub used: u64,
    /// `ALTER ROLE .. CONNECTION LIMIT`, if there is one for the role that asked.
    pub role_limit: Option<u64>,
    /// Those of that role.
    pub role_used: u64,
    /// `ALTER DATABASE .. CONNECTION LIMIT`, if there is one that binds the role that asked.
    pub database_limit: Option<u64>,
    /// Those to the database that was asked.
    pub database_used: u64,
}

impl Room {
    /// Reads the answer to [`ROOM`]; `None` if that question is not in the answer.
    ///
    /// # Errors
    /// The answer is not one to this question.
    pub fn read(answer: &[SimpleQueryMessage]) -> Result<Option<Self>, Unreadable> {
        let Some(row) = rows(answer).find(|row| row.has("room_most")) else { return Ok(None) };
        let count = |column| row.number(column).map(Option::unwrap_or_default);
        let limit = |column| {
            let limit: Option<i64> = row.number(column)?;
            Ok(limit.and_then(|limit| u64::try_from(limit).ok()))
        };
        Ok(Some(Room {
            most: count("room_most")?,
            reserved: count("reserved")?,
            used: count("used")?,
            role_limit: limit("role_limit")?,
            role_used: count("role_used")?,
            database_limit: limit("database_limit")?,
            database_used: count("database_used")?,
        }))
    }

    /// How many connections an application may have that is not a superuser, if it were alone.
    #[must_use]
    pub fn usable(&self) -> u64 {
        let server = self.most.saturating_sub(self.reserved);
        [self.role_limit, self.database_limit].into_iter().flatten().fold(server, u64::min)
    }

    /// How many more may be opened now.
    #[must_use]
    pub fn free(&self) -> u64 {
        let server = self.most.saturating_sub(self.reserved).saturating_sub(self.used);
        let role = self.role_limit.map(|limit| limit.saturating_sub(self.role_used));
        let database = self.database_limit.map(|limit| limit.saturating_sub(self.database_used));
        [role, database].into_iter().flatten().fold(server, u64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_bound_counts() {
        let room = Room { most: 100, reserved: 3, used: 40, ..Room::default() };
        assert_eq!((room.usable(), room.free()), (97, 57));
        let role = Room { role_limit: Some(20), role_used: 5, ..room };
        assert_eq!((role.usable(), role.free()), (20, 15));
        let database = Room { database_limit: Some(10), database_used: 12, ..role };
        assert_eq!((database.usable(), database.free()), (10, 0), "a limit may be set below what is there");
        assert_eq!(Room { used: 99, ..room }.free(), 0, "superusers use what is reserved");
    }
}
