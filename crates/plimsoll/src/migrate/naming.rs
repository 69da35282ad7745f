//! Reads the name of a migration file.
//!
//! A name begins with its version, a whole number. Tools that migrate in both directions write two files for each
//! version, `0001_x.up.sql` and `0001_x.down.sql`: the first is the migration; the second is never run here, since
//! nothing is undone. Names as Flyway and refinery have them begin with a letter for the kind of the file; here there
//! is only one kind.

/// Whether this is the file of a pair that undoes the other one.
pub(super) fn is_down(file: &str) -> bool {
    stem(file).to_ascii_lowercase().ends_with(".down")
}

/// Version and name.
pub(super) fn of(file: &str) -> Result<(i64, String), String> {
    let stem = stem(file);
    let stem = without_end(stem, ".up").unwrap_or(stem);
    let end = stem.find(['_', '-', '.', ' ']).unwrap_or(stem.len());
    let (number, rest) = stem.split_at(end);
    let rest = rest.trim_start_matches(['_', '-', '.', ' ']);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse() {
        Ok(version) if is_number => Ok((version, rest.replace('_', " "))),
        _ => Err(format!(
            "{file}: \"{number}\" is not a version; a file's name begins with a whole number, as in 001_{}.sql, and the next file takes the next number{}",
            if rest.is_empty() { "name" } else { rest },
            advice(number, rest)
        )),
    }
}

/// The remedy for a name of another tool.
fn advice(number: &str, rest: &str) -> String {
    let mut letters = number.chars();
    let letter = letters.next().map(|letter| letter.to_ascii_uppercase());
    let version = letters.as_str();
    let is_version = version.bytes().all(|byte| byte.is_ascii_digit());
    match letter {
        Some('V') if is_version && !version.is_empty() => format!(
            ": this is a name of Flyway's or refinery's; call it {version}_{rest}.sql, and if the database has it already, say baseline({version})"
        ),
        Some('R') if version.is_empty() => {
            ": this is a repeatable file of Flyway's; here each file is applied once, so what changes in it goes into a new file".to_owned()
        }
        Some('U') if is_version && !version.is_empty() => {
            ": this is a name of Flyway's for a file that undoes another, and nothing is undone here: take it out of the folder; if it is one of refinery's, give it a number".to_owned()
        }
        _ => String::new(),
    }
}

fn stem(file: &str) -> &str {
    without_end(file, ".sql").unwrap_or(file)
}

fn without_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(end.len())?;
    text.get(at..).filter(|tail| tail.eq_ignore_ascii_case(end))?;
    text.get(..at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_give_version_and_name() {
        for (file, version, name) in [
            ("001_initial_schema.sql", 1, "initial schema"),
            ("20260101093000-devices.sql", 20_260_101_093_000, "devices"),
            ("7.sql", 7, ""),
            ("0003_add_tables.up.sql", 3, "add tables"),
            ("0003_ADD.UP.SQL", 3, "ADD"),
            ("5.up.sql", 5, ""),
            ("6_scale_up.sql", 6, "scale up"),
        ] {
            assert_eq!(of(file).unwrap(), (version, name.to_owned()), "{file}");
        }
        for file in
            ["036a_late.sql", "V1__x.sql", "x.sql", "-1_x.sql", "99999999999999999999_x.sql", "+1_x.sql"]
        {
            assert!(of(file).unwrap_err().contains("is not a version"), "{file}");
        }
    }

    #[test]
    fn only_the_second_of_a_pair_undoes() {
        assert!(is_down("0001_x.down.sql") && is_down("1.Down.SQL"));
        for file in ["0001_x.up.sql", "0001_down.sql", "0001_x_down.sql", "0001_x.downs.sql"] {
            assert!(!is_down(file), "{file}");
        }
    }

    #[test]
    fn names_of_other_tools_are_told_what_to_become() {
        for (file, part) in [
            (
                "V2__add_table.sql",
                "call it 2_add_table.sql, and if the database has it already, say baseline(2)",
            ),
            ("v10__x.sql", "call it 10_x.sql"),
            ("R__views.sql", "a repeatable file of Flyway's"),
            ("U2__add_table.sql", "take it out of the folder"),
        ] {
            let said = of(file).unwrap_err();
            assert!(said.contains(part) && said.contains("is not a version"), "{said}");
        }
        assert!(!of("Value_x.sql").unwrap_err().contains("Flyway"));
    }
}
