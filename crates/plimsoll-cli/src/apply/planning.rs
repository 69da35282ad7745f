//! What is planned: from a profile, from checks, or from the journal of an earlier run.

use super::journal::{Journal, Plan, Told};
use super::options::{Options, Profile};
use super::server::{Server, soon};
use crate::role::missing;
use anyhow::{Context, Result, bail, ensure};
use plimsoll_inspect::checks::{Finding, Remedy, State};
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
        let found = situation::learn(server.direct.client(), subject.clone(), soon()).await?;
        if makes_roles {
            let cast =
                roles::Cast { app: &subject.role, schema: &options.schema, database: &subject.database };
            all.extend(roles::plan(server.direct.client(), &found, &cast, soon()).await?);
        }
        if profile == Profile::Service {
            all.extend(service::plan(&found, &service::wanted(&options.set)));
        }
    }
    if !options.check.is_empty() {
        if !subject.role_exists {
            bail!(missing(server.direct.client(), &subject.role).await);
        }
        let findings = server.findings(&options.check).await?;
        all.extend(findings.iter().filter_map(|(id, finding)| of_finding(id, finding)));
    }
    Ok(all)
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

/// The steps that take back what a journal tells of, last first. What is in doubt is looked at on the server.
pub(super) async fn inverse(path: &Path, server: &Server) -> Result<Plan> {
    let (_held, told) = Journal::look(path)?;
    is_of_this_server(&told, server)?;
    server.outlive(&told.sessions).await?;
    let mut steps = Vec::new();
    for (step, progress) in told.plan.steps.iter().zip(&told.progress).rev() {
        let is_begun = progress.in_doubt || progress.done > 0;
        let was_done = progress.applied || (is_begun && server.holds(&step.after).await?);
        if !was_done {
            continue;
        }
        match step.inverse() {
            Some(inverse) => steps.push(inverse),
            None => {
                super::shown::line(&format!("nothing brings back: {} ({})", step.what, step.run.join("; ")))
            }
        }
    }
    let mut plan = Plan::new(server.system.clone(), &server.subject.database, &server.subject.role, steps);
    plan.is_undo = true;
    plan.of = Some(path.display().to_string());
    Ok(plan)
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
