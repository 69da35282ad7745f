//! What is planned: from a profile, from checks, or from the journal of an earlier run.

use super::journal::{Journal, Plan, Told};
use super::options::{Options, Profile};
use super::server::{Server, soon};
use super::values;
use crate::role::missing;
use anyhow::{Context, Result, bail, ensure};
use plimsoll_inspect::checks::{Finding, Remedy, State};
use plimsoll_inspect::profiles::rights::{Lacking, lacking};
use plimsoll_inspect::profiles::{Planned, Probe, Reading, Step, roles, service, situation};
use std::path::Path;

/// What the options ask for, on this server.
pub(super) async fn plan(options: &Options, server: &Server) -> Result<Vec<Planned>> {
    let mut all = Vec::new();
    let subject = &server.subject;
    if let Some(profile) = options.profile {
        let makes_roles = options.create_roles || profile == Profile::Roles;
        if !subject.role_exists && !makes_roles {
            bail!("{}; --create-roles makes it", missing(server.direct.client(), &subject.role).await);
        }
        values::are_taken(server, &options.set).await?;
        let found = situation::learn(server.direct.client(), subject.clone(), soon()).await?;
        if makes_roles {
            let cast =
                roles::Cast { app: &subject.role, schema: &options.schema, database: &subject.database };
            if let Some(why) = roles::impossible(server.direct.client(), &cast, soon()).await? {
                bail!("{why} (nothing was begun)");
            }
            all.extend(roles::plan(server.direct.client(), &found, &cast, soon()).await?);
        }
        if profile == Profile::Service {
            all.extend(service::plan(&found, &service::wanted(&options.set)));
        }
    }
    if !options.check.is_empty() {
        if !subject.role_exists {
            bail!(
                "{}; --role names the one that the application logs in as",
                missing(server.direct.client(), &subject.role).await
            );
        }
        let findings = server.findings(&options.check).await?;
        all.extend(findings.iter().filter_map(|(id, finding)| of_finding(id, finding)));
    }
    allowed(all, server).await
}

/// The same, where a step that the role that asks may not run is told as one for a role that may.
pub(super) async fn allowed(mut all: Vec<Planned>, server: &Server) -> Result<Vec<Planned>> {
    for one in &mut all {
        let Planned::Step(step) = one else { continue };
        let lacks = lacking(server.direct.client(), &server.subject, &step.run, soon()).await?;
        if let Some(lacking) = lacks {
            *one = without_the_right(step, lacking);
        }
    }
    Ok(all)
}

/// What becomes of a step that may not be run: the same, for a role that may.
fn without_the_right(step: &Step, lacking: Lacking) -> Planned {
    let Step { what, is, from, will, run, .. } = step.clone();
    match lacking.instead {
        Some(text) => Planned::Advice { what, is, text: format!("{}: {text}", lacking.why) },
        None => Planned::Missing { what, is, from, will, why: lacking.why, grant: lacking.grant, sql: run },
    }
}

fn of_finding(id: &str, finding: &Finding) -> Option<Planned> {
    let what = format!("{id}, {}", finding.subject);
    let (is, from) = (finding.value.clone(), finding.source.clone());
    let remedy = match &finding.remedy {
        Some(Remedy::Sql { run, .. }) => run.clone(),
        _ => Vec::new(),
    };
    let found = |is_found| {
        let (id, subject, remedy) = (id.to_owned(), finding.subject.clone(), remedy.clone());
        Probe::Found { id, subject, remedy, is_found }
    };
    match (&finding.remedy, finding.state) {
        (Some(Remedy::Sql { run, undo, effect }), _) => Some(Planned::Step(Box::new(Step {
            what,
            why: format!("plimsoll doctor finds it: {}", finding.state),
            is,
            from,
            will: finding.threshold.clone(),
            run: run.clone(),
            undo: undo.clone(),
            effect: *effect,
            before: found(true),
            after: found(false),
            reading: Reading::Probe { probe: found(false) },
            note: None,
        }))),
        (Some(Remedy::Advice { text }), _) => Some(Planned::Advice { what, is, text: text.clone() }),
        (_, State::Skipped) => Some(Planned::Advice {
            what,
            is: "not known".to_owned(),
            text: format!("it was not looked at: {is}"),
        }),
        (_, State::Warn | State::Crit) => {
            Some(Planned::Advice { what, is, text: "there is no remedy in SQL".to_owned() })
        }
        _ => Some(Planned::Already { what, is, from, reading: Reading::Probe { probe: found(false) } }),
    }
}

/// What taking back a journal comes to: the steps of it, last first, and all of it as it is shown.
pub(super) struct Inverse {
    pub(super) plan: Plan,
    pub(super) shown: Vec<Planned>,
}

/// The steps that take back what a journal tells of, last first. Whether each is still there to be taken back is looked at on the
/// server: another run may have done so, and somebody else may have changed it since.
pub(super) async fn inverse(path: &Path, server: &Server) -> Result<Inverse> {
    let (_held, told) = Journal::look(path)?;
    is_of_this_server(&told, server)?;
    server.outlive(&told.sessions).await?;
    let mut shown = Vec::new();
    for (step, progress) in told.plan.steps.iter().zip(&told.progress).rev() {
        let is_begun = progress.in_doubt || progress.done > 0;
        let was_done = progress.applied || (is_begun && server.holds(&step.after).await?);
        if !was_done {
            continue;
        }
        match step.inverse() {
            Some(inverse) => shown.push(as_it_is(inverse, server).await?),
            None => shown.push(Planned::Advice {
                what: step.what.clone(),
                is: step.will.clone(),
                text: format!("nothing brings back: {}", step.run.join("; ")),
            }),
        }
    }
    let shown = allowed(shown, server).await?;
    let steps: Vec<Step> = shown.iter().filter_map(super::step_of).cloned().collect();
    let mut plan = Plan::new(server.system.clone(), &server.subject.database, &server.subject.role, steps);
    plan.is_undo = true;
    plan.of = Some(path.display().to_string());
    Ok(Inverse { plan, shown })
}

/// A step that takes something back, or what there is instead of one.
async fn as_it_is(inverse: Step, server: &Server) -> Result<Planned> {
    if server.holds(&inverse.after).await? {
        // What a session has may come from another level, which was taken back too.
        let Step { what, will, after, .. } = inverse;
        let reading = Reading::Probe { probe: after };
        return Ok(Planned::Already { what, is: will, from: "as it was before".to_owned(), reading });
    }
    if server.holds(&inverse.before).await? {
        return Ok(Planned::Step(Box::new(inverse)));
    }
    Ok(Planned::Advice {
        what: inverse.what,
        is: "neither as it was before nor as it was applied".to_owned(),
        text: format!(
            "somebody else has changed it since, so it is left alone; to bring it back all the same:\n{};",
            inverse.run.join("; ")
        ),
    })
}

/// A journal is good for the server and the database that it was begun on.
pub(super) fn is_of_this_server(told: &Told, server: &Server) -> Result<()> {
    let plan = &told.plan;
    ensure!(
        plan.database == server.subject.database,
        "the journal is of database {}, and this connection leads to {}",
        plan.database,
        server.subject.database
    );
    if let (Some(then), Some(now)) = (&plan.system, &server.system) {
        ensure!(then == now, "the journal is of another server: its number is {then}, this one's {now}");
    }
    Ok(())
}

/// What is known of the run before it is connected: the role that a journal is about.
pub(super) fn role_of(path: &Path) -> Result<String> {
    let (_held, told) = Journal::look(path).context("what was done cannot be read")?;
    Ok(told.plan.role)
}
