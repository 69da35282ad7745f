//! All of one session; and what is lost if it is stopped.

use super::line::{Line, Tone, clean, fit, wrap};
use super::{clock, who};
use crate::top::state::{Order, State};
use plimsoll::session_name::SessionName;
use plimsoll_inspect::sessions::Session;
use plimsoll_inspect::sessions::stop::Stop;
use plimsoll_inspect::sessions::victim::loss;
use plimsoll_inspect::span::narrow;

const LABEL: usize = 14;

/// As many lines of a statement are shown before a stop.
const BEFORE_A_STOP: usize = 4;

struct Sheet {
    columns: usize,
    lines: Vec<Line>,
}

impl Sheet {
    fn add(&mut self, label: &str, text: &str) {
        self.add_lines(label, text, usize::MAX, Tone::Plain);
    }

    fn add_lines(&mut self, label: &str, text: &str, most: usize, tone: Tone) {
        for (index, text) in wrap(text, self.columns.saturating_sub(LABEL), most).into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.lines.push(Line::of(fit(label, LABEL), Tone::Dim).and(text, tone));
        }
    }
}

/// All that is known of a session.
pub(super) fn detail(state: &State, session: &Session, columns: usize, room: usize) -> Vec<Line> {
    let title = Line::of(fit(&format!("Session {}", session.pid), columns), Tone::Head);
    let mut sheet = Sheet { columns, lines: vec![title] };
    let kind = session.kind.as_deref().unwrap_or("hidden from this role: GRANT pg_read_all_stats");
    sheet.add("kind", &format!("{kind}, since {} UTC", session.backend_start));
    sheet.add("who", &from_where(session));
    match SessionName::parse(&session.application_name) {
        Some(name) => {
            sheet.add("instance", name.instance);
            sheet.add("request", name.request.unwrap_or("none"));
            sheet.add("work", name.work);
        }
        None => sheet.add("application", &session.application_name),
    }
    sheet.add("state", &since(session));
    if let Some(wait) = &session.wait {
        sheet.add("waits for", wait);
    }
    if !session.blockers.is_empty() {
        sheet.add("held up by", &pids(&session.blockers));
    }
    let waiters = waiters(state, session.pid);
    if !waiters.is_empty() {
        sheet.add("holds up", &pids(&waiters));
    }
    if session.kind.is_some() {
        sheet.add("if it ends", &loss(session, true));
    }
    let left = room.saturating_sub(sheet.lines.len());
    let query = session.query.as_deref().unwrap_or_default();
    sheet.add_lines("statement", query, left.max(1), Tone::Strong);
    sheet.lines
}

/// What is asked before a session is stopped.
pub(super) fn confirm(state: &State, order: &Order, columns: usize) -> Vec<Line> {
    let session = &order.session;
    let question = match order.stop {
        Stop::Cancel => format!("Cancel the statement of session {}?", session.pid),
        Stop::Terminate => format!("End session {}?", session.pid),
    };
    let mut sheet = Sheet { columns, lines: vec![Line::of(fit(&question, columns), Tone::Head)] };
    let name = who(&session.application_name, true);
    let who = from_where(session);
    sheet.add("who", &if name.is_empty() { who } else { format!("{name}: {who}") });
    let kind = session.kind.as_deref().unwrap_or_default();
    if !matches!(kind, "client backend" | "parallel worker") {
        sheet.add_lines("beware", &format!("it is no client's session: {kind}"), 2, Tone::Bad);
    }
    sheet.add("state", &since(session));
    let query = session.query.as_deref().unwrap_or_default();
    sheet.add_lines("statement", query, BEFORE_A_STOP, Tone::Plain);
    sheet.lines.push(Line::default());
    sheet.add_lines("lost with it", &order.lost, usize::MAX, Tone::Bad);
    sheet.add("waiters", &what_waits(&waiters(state, session.pid), &session.blockers));
    if let Some(look) = &state.look {
        sheet.add("as of", &clock(look.at));
    }
    sheet.lines.push(Line::default());
    sheet.lines.push(Line::of("y: yes, do it    any other key: leave it alone", Tone::Strong));
    sheet.lines
}

/// Who waits for it; and whether its end helps, where it waits itself.
fn what_waits(waiters: &[i32], blockers: &[i32]) -> String {
    let waiting = match waiters.len() {
        0 => "no session waits for it".to_owned(),
        1 => format!("1 session waits for it: {}", pids(waiters)),
        count => format!("{count} sessions wait for it: {}", pids(waiters)),
    };
    match (waiters.is_empty(), blockers.is_empty()) {
        (_, true) => waiting,
        (true, false) => format!("{waiting}; it is held up by {}", pids(blockers)),
        (false, false) => {
            format!("{waiting}; it is itself held up by {}, whose end would help more", pids(blockers))
        }
    }
}

fn from_where(session: &Session) -> String {
    let user = session.user.as_deref().unwrap_or("?");
    let database = session.database.as_deref().unwrap_or("-");
    let client = session.client.as_ref().map_or(String::new(), |client| format!(" from {client}"));
    clean(&format!("{user}@{database}{client}"))
}

fn since(session: &Session) -> String {
    let state = session.state.as_deref().unwrap_or("-");
    let mut text = session.state_for.map_or(state.to_owned(), |span| format!("{state} for {}", narrow(span)));
    if let Some(age) = session.transaction_for {
        text = format!("{text}, its transaction for {}", narrow(age));
    }
    text
}

/// Those that wait for it, directly or for one that does.
fn waiters(state: &State, pid: i32) -> Vec<i32> {
    let Some(look) = &state.look else { return Vec::new() };
    let mut waiters = vec![pid];
    let mut next = 0;
    while let Some(holder) = waiters.get(next).copied() {
        let sessions = look.what.sessions.sessions.iter();
        let more: Vec<i32> = sessions
            .filter(|it| it.blockers.contains(&holder) && !waiters.contains(&it.pid))
            .map(|it| it.pid)
            .collect();
        waiters.extend(more);
        next += 1;
    }
    waiters.split_off(1)
}

/// At most twelve, and how many there are besides.
fn pids(pids: &[i32]) -> String {
    let shown: Vec<String> = pids
        .iter()
        .take(12)
        .map(|pid| if *pid == 0 { "a prepared transaction".to_owned() } else { pid.to_string() })
        .collect();
    match pids.len().saturating_sub(12) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
