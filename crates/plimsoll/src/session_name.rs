//! The name that a session has while a transaction is open in it, as `pg_stat_activity` and the server's log show it.
//!
//! ```text
//! orders@web-3:4711 #3fa9c0d2 nightly report
//! └── instance      └ request └ work
//! ```
//!
//! The server knows a session by its pid. What an operator asks is which program on which machine holds the lock, which of
//! its pieces of work that is, and which request in the logs. So a transaction carries all three in its `application_name`,
//! and they end with it: between transactions the session shows the instance alone.
//!
//! The server keeps 63 bytes and replaces what is not printable ASCII, each version in its own way. So a name is cut and
//! cleaned here: a character that is not printable ASCII becomes `?`, a space inside the instance `_`, and `~` stands where
//! something was cut out. The instance is cut to the same text whatever stands behind it, so that a session which is idle
//! and one which works are known as of the same instance. Request and work share the rest; what the one does not need, the
//! other has. The request is marked with `#`, which tells the name from those of other programs
//! (`PostgreSQL JDBC Driver`), and `#` alone stands for work that no request asked for.

/// The longest name that the server keeps, in bytes.
pub const LONGEST: usize = 63;

/// The longest instance in a name, in bytes. The request and the work have at least 37 together.
pub const LONGEST_INSTANCE: usize = 24;

const CUT: &str = "~";

/// What the name of a session says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionName<'a> {
    /// The program that works, as [`instance_of`] shows it.
    pub instance: &'a str,
    /// The id of the request, or its beginning and `~`.
    pub request: Option<&'a str>,
    /// The name of the work or the place of its call, or its beginning and `~`.
    pub work: &'a str,
}

impl<'a> SessionName<'a> {
    /// Reads the name of a session. `None` if it is not of this form: the session is idle, or is another program's.
    #[must_use]
    pub fn parse(application_name: &'a str) -> Option<Self> {
        let (instance, rest) = application_name.split_once(' ')?;
        let (request, work) = rest.strip_prefix('#')?.split_once(' ')?;
        let is_whole = !instance.is_empty() && instance.len() <= LONGEST_INSTANCE && !work.is_empty();
        is_whole.then_some(SessionName { instance, request: (!request.is_empty()).then_some(request), work })
    }
}

/// The name of a session that does this work. Printable ASCII of at most 63 bytes, whatever it is made of; it may hold
/// quotes and backslashes.
#[must_use]
pub fn compose(instance: &str, request: Option<&str>, work: &str) -> String {
    let mut name = String::with_capacity(3 * LONGEST);
    push_instance(&mut name, instance);
    name.push_str(" #");
    let request_at = name.len() - 1;
    push_word(&mut name, request.unwrap_or_default());
    let request_length = name.len() - request_at;
    name.push(' ');
    let work_at = name.len();
    push_phrase(&mut name, work);
    let work_length = name.len() - work_at;
    let room = LONGEST - 1 - request_at;
    let for_request = request_length.min((room / 2).max(room.saturating_sub(work_length)));
    // The work first, which stands behind.
    cut(&mut name, work_at, room - for_request);
    if for_request < request_length {
        name.replace_range(request_at + for_request - 1..request_at + request_length, CUT);
    }
    name
}

/// The instance to which a session with this name belongs, whether it works or is idle. For the session of another program
/// the name of that program.
#[must_use]
pub fn instance_of(application_name: &str) -> String {
    match SessionName::parse(application_name) {
        Some(name) => name.instance.to_owned(),
        None => as_instance(application_name.strip_suffix(HEARTBEAT).unwrap_or(application_name)),
    }
}

/// A name with this end, which tells the connection from others of its program, and as much of its beginning as the server
/// keeps.
pub(crate) fn with_end(name: &str, end: &str) -> String {
    let room = LONGEST.saturating_sub(end.len());
    let kept = (0..=name.len().min(room)).rev().find_map(|length| name.get(..length));
    format!("{}{end}", kept.unwrap_or_default())
}

/// Stands behind the instance in the name of the connection that asks the server for signs of life.
pub(crate) const HEARTBEAT: &str = " (heartbeat)";

/// The name of an instance of a program that was given none: `orders@web-3:4711`, at most 48 bytes. Programs on several
/// machines are told apart by the host, those on one by the process id.
pub(crate) fn default_instance(program: &str, host: &str, pid: u32) -> String {
    let mut name = String::new();
    push_word(&mut name, if program.is_empty() { "plimsoll" } else { program });
    // The rest of a host's full name is the same for all of them.
    if let Some(host) = host.split('.').next().filter(|host| !host.is_empty()) {
        name.push('@');
        push_word(&mut name, host);
    }
    name.push_str(&format!(":{pid}"));
    cut_middle(&mut name, 48);
    name
}

/// The instance, as it stands in the name of a session that works.
pub(crate) fn as_instance(text: &str) -> String {
    let mut name = String::new();
    push_instance(&mut name, text);
    name
}

/// To an empty text.
fn push_instance(name: &mut String, text: &str) {
    push_word(name, text);
    if name.is_empty() {
        name.push('-');
    }
    cut_middle(name, LONGEST_INSTANCE);
}

fn ascii(c: char) -> char {
    match c {
        _ if c.is_ascii_graphic() => c,
        _ if c.is_whitespace() || c.is_control() => ' ',
        _ => '?',
    }
}

fn push_word(name: &mut String, text: &str) {
    name.extend(text.chars().map(ascii).map(|c| if c == ' ' { '_' } else { c }));
}

/// Words with single spaces between them, or `-` if there are none; of a long text no more than can be shown.
fn push_phrase(name: &mut String, text: &str) {
    let start = name.len();
    let mut is_first = true;
    let mut is_behind_space = false;
    for c in text.chars().map(ascii) {
        if c == ' ' {
            is_behind_space = !is_first;
            continue;
        }
        if std::mem::take(&mut is_behind_space) {
            name.push(' ');
        }
        name.push(c);
        is_first = false;
        if name.len() - start > LONGEST {
            break;
        }
    }
    if is_first {
        name.push('-');
    }
}

/// Leaves so many bytes behind this place. The text is ASCII.
fn cut(name: &mut String, start: usize, longest: usize) {
    if name.len() - start > longest {
        name.truncate(start + longest.saturating_sub(1));
        name.push_str(CUT);
    }
}

/// Leaves the beginning, which tells the program, and the end, which tells this instance of it from others. The text is
/// ASCII.
fn cut_middle(name: &mut String, longest: usize) {
    if let Some(over) = name.len().checked_sub(longest).filter(|over| *over > 0) {
        let head = longest / 3;
        name.replace_range(head..=head + over, CUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_it_is_made_of_a_name_is_printable_and_short_and_can_be_read(
            instance in "\\PC{0,70}|[a-z'\\\\ ]{0,9}|.{0,9}",
            request in proptest::option::of("[!-~]{1,64}"),
            work in "\\PC{0,90}|[a-z'\\\\ ]{0,20}|.{0,9}",
        ) {
            let name = compose(&instance, request.as_deref(), &work);
            prop_assert!(name.len() <= LONGEST, "{}", name);
            prop_assert!(name.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", name);
            prop_assert!(!name.ends_with(' '));
            let read = SessionName::parse(&name);
            let read = read.ok_or_else(|| TestCaseError::fail(name.clone()))?;
            prop_assert_eq!(read.instance, as_instance(&instance));
            prop_assert_eq!(read.request.is_some(), request.is_some());
            prop_assert_eq!(instance_of(&name), as_instance(&instance));
            // What was cut and cleaned once is not changed again.
            prop_assert_eq!(compose(read.instance, read.request, read.work), name.clone());
            if let (Some(said), Some(shown)) = (request, read.request) {
                let start = shown.strip_suffix('~').unwrap_or(shown);
                prop_assert!(said == shown || said.starts_with(start));
                prop_assert!(said == shown || shown.len() >= 17, "{}", name);
            }
        }

        #[test]
        fn what_fits_is_kept_as_it_is(
            instance in "[!-~]{1,24}", request in "[!-~]{1,17}", work in "[!-~]{1,10}( [!-~]{1,8})?",
        ) {
            let name = compose(&instance, Some(&request), &work);
            let expected = SessionName { instance: &instance, request: Some(&request), work: &work };
            prop_assert_eq!(SessionName::parse(&name), Some(expected));
        }

        #[test]
        fn an_idle_session_and_a_working_one_are_of_one_instance(instance in "\\PC{1,60}", work in "\\PC{0,60}") {
            // A name that has this form itself cannot be told from one that was made here.
            prop_assume!(SessionName::parse(&instance).is_none() && !instance.ends_with(HEARTBEAT));
            let name = compose(&instance, None, &work);
            prop_assert_eq!(instance_of(&name), instance_of(&instance));
            prop_assert_eq!(instance_of(&format!("{instance}{HEARTBEAT}")), instance_of(&instance));
        }

        #[test]
        fn reading_never_panics(name in "\\PC{0,70}") {
            let _ = (SessionName::parse(&name), instance_of(&name));
        }

        #[test]
        fn a_default_name_leaves_room_for_the_heartbeat(program in "\\PC{0,80}", host in "\\PC{0,80}", pid: u32) {
            let name = default_instance(&program, &host, pid);
            prop_assert!(name.len() + HEARTBEAT.len() <= LONGEST && !name.contains(' '));
            let pid = format!(":{pid}");
            prop_assert!(name.ends_with(&pid));
            prop_assert!(as_instance(&name).ends_with(&pid));
        }
    }

    #[test]
    fn names_read_as_they_are_described() {
        let compose = |instance, request, work| compose(instance, request, work);
        assert_eq!(
            compose("orders@web-3:4711", Some("3fa9c0d2"), "nightly report"),
            "orders@web-3:4711 #3fa9c0d2 nightly report"
        );
        assert_eq!(compose("orders api", None, "orders.rs:88"), "orders_api # orders.rs:88");
        let uuid = "0192f0c1-2345-7abc-8def-0123456789ab";
        assert_eq!(
            compose("orders@web-3:4711", Some(uuid), "nightly report"),
            "orders@web-3:4711 #0192f0c1-2345-7abc-8def-0123~ nightly report"
        );
        assert!(compose("orders@web-3:4711", Some(uuid), "report").contains(uuid));
        let pod = default_instance("orders-api", "orders-api-7d9f8b6c5-x2x1b", 1);
        assert_eq!(pod, "orders-api@orders-api-7d9f8b6c5-x2x1b:1");
        assert_eq!(compose(&pod, None, "Zähler\n'holen'"), "orders-a~9f8b6c5-x2x1b:1 # Z?hler 'holen'");
        assert_eq!(default_instance("orders", "web-3.eu.example.com", 7), "orders@web-3:7");
        assert_eq!(default_instance("", "", 7), "plimsoll:7");
    }

    #[test]
    fn names_of_other_programs_are_not_taken_for_ours() {
        for foreign in
            ["", "psql", "PostgreSQL JDBC Driver", "pgAdmin 4 - DB:postgres", "a # ", "orders (heartbeat)"]
        {
            assert_eq!(SessionName::parse(foreign), None, "{foreign}");
        }
        assert_eq!(instance_of("orders@web-3:4711 (heartbeat)"), "orders@web-3:4711");
        assert_eq!(instance_of("PostgreSQL JDBC Driver"), "PostgreSQL_JDBC_Driver");
    }
}
