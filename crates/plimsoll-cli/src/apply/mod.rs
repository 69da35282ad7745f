//! `plimsoll apply`: settings, roles and remedies, put right by SQL that can be seen first and taken back after.
//!
//! Nothing is changed unless somebody says `--run` or `--yes`. What is planned shows what is there now, where that comes from,
//! what it will be, the statement, and the statement that brings it back.
//!
//! | file | what it does |
//! |---|---|
//! | `options` | what can be asked for |
//! | `planning` | what is planned: from a profile, from checks, or from a journal |
//! | `values` | whether the server takes the values that are wanted |
//! | `shown` | a plan as somebody reads it |
//! | `server` | the session that changes something, its limits, and what it may wait for |
//! | `journal` | what was planned and done, on the disk before the next thing is done |
//! | `perform` | runs the steps, and goes on where an earlier run was killed |
//! | `read_back` | what the application gets, on a new connection |

mod journal;
mod options;
mod perform;
mod planning;
mod read_back;
mod server;
mod shown;
mod values;

pub use options::Options;

use crate::interrupts::Interrupts;
use crate::prompt;
use crate::{Ended, show};
use anyhow::{Context, Result, bail, ensure};
use journal::{Journal, Plan, Progress, Told, default_path};
use perform::{Consent, Run, Tally};
use plimsoll_inspect::checks::finding::Effect;
use plimsoll_inspect::profiles::parts::{Part, parts};
use plimsoll_inspect::profiles::{Planned, Reading, Step};
use read_back::Way;
use server::Server;
use std::path::Path;
use std::time::Duration;

/// How long a cancel is waited for at an interrupt.
const CANCELLED_IN: Duration = Duration::from_secs(2);

/// What an earlier run left belongs together: of that, either all is done or nothing.
const NOT_ALL: &str =
    "Nothing was begun, since not all of it may be done by this role: run the same as one that may.";

/// Shows what would be done, or does it.
///
/// # Errors
/// The server cannot be reached or is a standby, the options do not fit, or the journal cannot be read or written.
pub async fn run(options: &Options) -> Result<Ended> {
    if options.consent.run && !prompt::is_there() {
        bail!(
            "--run asks before each step, and there is no terminal to ask at: say --yes to run without being asked"
        );
    }
    options.fit()?;
    ensure!(
        options.output.is_table()
            || !(options.changes() || options.resume.is_some() || options.undo.is_some()),
        "only a plan is written as plain lines or as JSON; what a run does is in its journal, a line of JSON for each event"
    );
    let way = Way::new(&options.target, options.through.as_deref());
    let role = role(options, &way).await?;
    let direct = options.target.connect("apply").await?;
    let server = Server::meet(direct, &role).await?;
    may_be_changed(&server)?;
    through_a_pooler(&server);
    if let Some(path) = &options.resume {
        return resume(options, path, &server, &way).await;
    }
    if let Some(path) = &options.undo {
        let planning::Inverse { plan, shown } = planning::inverse(path, &server).await?;
        return fresh(options, "undo", plan, &shown, &server, &way).await;
    }
    let planned = planning::plan(options, &server).await?;
    if !options.output.is_table() {
        let lines = || shown::plain(&planned);
        options.output.print(&planned, |_| String::new(), lines)?;
        return Ok(if planned.iter().all(is_so) { Ended::Well } else { Ended::Warned });
    }
    let steps: Vec<Step> = planned.iter().filter_map(step_of).cloned().collect();
    let plan = Plan::new(server.system.clone(), &server.subject.database, &server.subject.role, steps);
    fresh(options, "apply", plan, &planned, &server, &way).await
}

fn step_of(planned: &Planned) -> Option<&Step> {
    match planned {
        Planned::Step(step) => Some(step),
        _ => None,
    }
}

fn is_so(planned: &Planned) -> bool {
    matches!(planned, Planned::Already { .. })
}

/// The application's role: as it was said, or as its own connection string logs in, or as a journal has it.
async fn role(options: &Options, way: &Way) -> Result<String> {
    let journal = options.resume.as_deref().or(options.undo.as_deref());
    let of_journal = journal.map(planning::role_of).transpose()?;
    if let (Some(role), Some(of_journal)) = (&options.role, &of_journal) {
        ensure!(
            role == of_journal,
            "the journal is of role {of_journal}, and --role says {role}: leave --role out"
        );
    }
    let said = of_journal.or_else(|| options.role.clone());
    if options.through.is_some() {
        let (login, _) = way.ends_at().await?;
        let said = said.unwrap_or_else(|| login.clone());
        ensure!(said == login, "the application's role is {said}, and --through logs in as {login}");
        return Ok(login);
    }
    said.context(
        "which role does the application log in as? --role says it, or --through with its connection string",
    )
}

fn may_be_changed(server: &Server) -> Result<()> {
    ensure!(
        !server.subject.is_standby,
        "this server is a standby: it only replays what its primary does, so nothing can be set here; connect to the primary"
    );
    Ok(())
}

fn through_a_pooler(server: &Server) {
    if server.is_pooled {
        shown::line(
            "This connection goes through a pooler. Settings of databases and roles can be written through it, and reach the \
             application as its server connections are renewed (RECONNECT in the pooler's console, or its server_lifetime). What \
             needs a session of its own is not run: CREATE INDEX CONCURRENTLY, REINDEX CONCURRENTLY, VACUUM. Connect directly \
             for that.\n",
        );
    }
}

/// A plan that is new: shown, and run if somebody says so.
async fn fresh(
    options: &Options,
    command: &str,
    plan: Plan,
    planned: &[Planned],
    server: &Server,
    way: &Way,
) -> Result<Ended> {
    let subject = &server.subject;
    shown::line(&format!(
        "plimsoll {command}: database {}, role {}, on PostgreSQL {} as {}\n",
        subject.database, subject.role, subject.version_text, subject.login
    ));
    show::print(&shown::plan(planned));
    if planned.is_empty() && plan.is_undo {
        shown::line("Nothing of that run was done, so there is nothing to take back.");
        return Ok(Ended::Well);
    }
    let outside = planned.iter().filter(|planned| matches!(planned, Planned::Advice { .. })).count();
    let missing = planned.iter().filter(|planned| matches!(planned, Planned::Missing { .. })).count();
    shown::line(&format!(
        "{} to change, {} so already, {missing} not allowed to role {}, {outside} to be done by hand.",
        plan.steps.len(),
        planned.iter().filter(|planned| is_so(planned)).count(),
        subject.login
    ));
    let left = if missing > 0 { Ended::Badly } else { Ended::Warned };
    if !options.changes() {
        let is_well = plan.steps.is_empty() && missing + outside == 0;
        if !plan.steps.is_empty() {
            shown::line("Nothing was changed. --run does it and asks before each step, --yes does not ask.");
        }
        return Ok(if is_well { Ended::Well } else { Ended::Warned });
    }
    if missing > 0 && plan.is_undo {
        shown::line(NOT_ALL);
        return Ok(Ended::Badly);
    }
    let mut ended = if missing + outside > 0 { left } else { Ended::Well };
    if !plan.steps.is_empty() {
        may_be_run(options, &plan.steps, server)?;
        let path = options.journal.clone().unwrap_or_else(|| default_path(command, &plan.database));
        let journal = Journal::create(&path, &plan)?;
        shown::line(&format!("Journal: {}", path.display()));
        let progress = vec![Progress::default(); plan.steps.len()];
        let told = Told { plan, progress, sessions: Vec::new(), has_ended: false };
        ended = worst(ended, perform(options, journal, told, server, way).await?);
    }
    if ended != Ended::Interrupted {
        ended = worst(ended, compare(planned, server, way).await?);
    }
    Ok(ended)
}

/// Goes on with a run.
async fn resume(options: &Options, path: &Path, server: &Server, way: &Way) -> Result<Ended> {
    let (held, told) = Journal::look(path)?;
    planning::is_of_this_server(&told, server)?;
    if told.has_ended {
        shown::line("This run came to its end: nothing is left of it.");
        return Ok(Ended::Well);
    }
    let left: Vec<Step> = told
        .plan
        .steps
        .iter()
        .zip(&told.progress)
        .filter(|(_, of)| !of.is_over())
        .map(|(step, _)| step.clone())
        .collect();
    shown::line(&format!("{} of {} steps are left.\n", left.len(), told.plan.steps.len()));
    let planned: Vec<Planned> = left.iter().cloned().map(Box::new).map(Planned::Step).collect();
    let planned = planning::allowed(planned, server).await?;
    let is_all = planned.iter().all(|one| step_of(one).is_some());
    if !is_all {
        show::print(&shown::plan(&planned));
        shown::line(NOT_ALL);
        return Ok(if options.changes() { Ended::Badly } else { Ended::Warned });
    }
    if !options.changes() {
        show::print(&shown::plan(&planned));
        shown::line("Nothing was changed. --run goes on and asks before each step, --yes does not ask.");
        return Ok(Ended::Warned);
    }
    may_be_run(options, &left, server)?;
    drop(held);
    let (journal, told) = Journal::open(path)?;
    perform(options, journal, told, server, way).await
}

/// Refuses before anything has been done what would be refused in the middle.
fn may_be_run(options: &Options, steps: &[Step], server: &Server) -> Result<()> {
    let has_no_inverse = steps.iter().find(|step| step.undo.is_empty());
    if let Some(step) = has_no_inverse.filter(|_| !options.yes_without_inverse && !prompt::is_there()) {
        bail!(
            "nothing brings this back, so it is asked about, and there is no terminal to ask at: {} ({}). \
             --yes-without-inverse runs it without asking",
            step.what,
            step.run.join("; ")
        );
    }
    let needs_session = steps.iter().find(|step| parts(&step.run).iter().any(Part::needs_session));
    if let Some(step) = needs_session.filter(|_| server.is_pooled) {
        bail!(
            "{} needs a session of its own, and this connection goes through a pooler: connect directly",
            step.what
        );
    }
    Ok(())
}

/// Runs, and lets an interrupt end it: what the server works on just then is cancelled, and the journal tells how far it came.
async fn perform(
    options: &Options,
    journal: Journal,
    told: Told,
    server: &Server,
    way: &Way,
) -> Result<Ended> {
    let consent = Consent {
        to_what_has_an_inverse: options.consent.yes,
        to_what_has_none: options.yes_without_inverse,
    };
    let path = journal.path().to_owned();
    let mut run = Run { server, way, journal, told, consent, tally: Tally::default() };
    let mut interrupts = Interrupts::listen().context("signals cannot be listened to")?;
    let tally = tokio::select! {
        tally = run.all() => tally?,
        () = interrupts.next() => {
            // If it cannot be cancelled it comes to its end, and --resume finds it done.
            let _ = server.direct.cancel(CANCELLED_IN).await;
            shown::line(&format!("\nInterrupted. plimsoll apply --resume {} goes on, --undo takes it back.", path.display()));
            return Ok(Ended::Interrupted);
        }
    };
    shown::line(&format!(
        "\n{} done, {} so already, {} declined, {} failed; {} not what a new session shows.",
        tally.applied, tally.already, tally.declined, tally.failed, tally.not_arrived
    ));
    let journal = path.display();
    if tally.failed > 0 || tally.is_stopped {
        shown::line(&format!(
            "plimsoll apply --resume {journal} goes on, --undo {journal} takes back what was done."
        ));
    } else if tally.applied > 0 {
        shown::line(&format!("plimsoll apply --undo {journal} takes it back."));
    }
    Ok(match tally {
        Tally { failed: 1.., .. } | Tally { not_arrived: 1.., .. } => Ended::Badly,
        Tally { declined: 1.., .. } | Tally { is_stopped: true, .. } => Ended::Warned,
        _ => Ended::Well,
    })
}

/// Reads back what was so already, on the path of the application, as it is done for what was changed.
async fn compare(planned: &[Planned], server: &Server, way: &Way) -> Result<Ended> {
    let mut ended = Ended::Well;
    for one in planned {
        let Planned::Already { what, reading: reading @ Reading::Setting { .. }, .. } = one else { continue };
        let read = way.read(server, reading, Effect::NewSessions).await?;
        if let Some(why) = read.why {
            shown::line(&format!("{what}: NOT WHAT IS SET {}: {}. {why}", way.name(), read.shown));
            ended = Ended::Badly;
        } else {
            shown::line(&format!("{what}: read back {}: {}", way.name(), read.shown));
        }
    }
    Ok(ended)
}

fn worst(one: Ended, other: Ended) -> Ended {
    let rank = |ended: Ended| match ended {
        Ended::Well => 0,
        Ended::Warned => 1,
        Ended::Unknown => 2,
        Ended::Badly => 3,
        Ended::Interrupted => 4,
    };
    if rank(other) > rank(one) { other } else { one }
}
