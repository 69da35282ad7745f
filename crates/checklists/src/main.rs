//! `make tick`. Everything it does is in the library beside it, where tests can reach it.
//!
//! `tick` runs all pages; `tick p0` those with "p0" in the name of their file, and leaves the README alone.

use anyhow::{Context, Result, bail};
use checklists::examples::Examples;
use checklists::nextest::{Results, Selection};
use checklists::page::{self, Check, Page};
use checklists::service::Service;
use checklists::verdict::{Outcome, Report};
use checklists::{readme, shell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Commands that run at a time: most of them wait for the service or for a limit to pass.
const AT_A_TIME: usize = 4;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tick: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is as the pages say.
async fn run() -> Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let all = match page::read_folder(&root.join("docs/checklists"))? {
        Ok(pages) => pages,
        Err(problems) => bail!("the pages cannot be read:\n{}", problems.join("\n")),
    };
    let mut wrong = match wanted.is_empty() {
        true => readme::problems(&std::fs::read_to_string(root.join("README.md"))?, &all),
        false => Vec::new(),
    };
    let is_wanted = |page: &Page| wanted.is_empty() || wanted.iter().any(|part| page.file.contains(part));
    let pages: Vec<Page> = all.into_iter().filter(is_wanted).collect();
    if pages.is_empty() {
        bail!("no page of docs/checklists has one of these in its name: {}", wanted.join(", "));
    }

    let results = Results::of_a_run(&root, &selections(&pages)?).await?;
    let fleet = std::env::current_exe()?.with_file_name("fleet");
    let programs = fleet.parent().context("this program is in no folder")?;
    let commands: Vec<&str> = checks(&pages).map(|check| check.command.as_str()).collect();
    let (service, examples) = tokio::try_join!(Service::start(&fleet), Examples::start(programs, &commands))?;
    let variables = [service.variables(), examples.variables()].concat();
    let reports = reports(&root, pages, &results, variables).await;
    examples.stop().await?;
    service.stop().await?;

    let failures: Vec<String> = reports.iter().flat_map(Report::failures).collect();
    list("Rows that claim what is not so:", &failures);
    list("Rows that say \"not yet\" and have come true; tick them:", &came_true(&reports));
    list("The README is not right:", &wrong);
    println!();
    for report in &reports {
        println!("{}", report.line());
    }
    wrong.extend(failures);
    Ok(wrong.is_empty())
}

fn came_true(reports: &[Report]) -> Vec<String> {
    reports.iter().flat_map(Report::came_true).collect()
}

fn list(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title}");
    }
    for line in lines {
        println!("- {line}");
    }
}

fn checks(pages: &[Page]) -> impl Iterator<Item = &Check> {
    pages.iter().flat_map(|page| &page.rows).flat_map(|row| &row.checks)
}

fn selections(pages: &[Page]) -> Result<BTreeSet<Selection>> {
    let mut selections = BTreeSet::new();
    for page in pages {
        for row in &page.rows {
            for check in &row.checks {
                let selection = Selection::of(&check.command);
                let place = || format!("docs/checklists/{}:{}", page.file, row.line);
                selections.extend(selection.with_context(place)?);
            }
        }
    }
    Ok(selections)
}

/// Runs every command, several at a time, and each text once, however many rows it stands in; those that run tests are
/// answered from what is known already.
async fn reports(
    root: &Path,
    pages: Vec<Page>,
    results: &Results,
    variables: Vec<(String, String)>,
) -> Vec<Report> {
    let root: Arc<PathBuf> = Arc::new(root.to_owned());
    let variables = Arc::new(variables);
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut outputs = BTreeMap::new();
    let mut running = JoinSet::new();
    for command in checks(&pages).map(|check| check.command.clone()).collect::<BTreeSet<_>>() {
        if let Ok(Some(selection)) = Selection::of(&command) {
            outputs.insert(command, results.told_of(&selection));
            continue;
        }
        let (root, variables, places) = (root.clone(), variables.clone(), places.clone());
        running.spawn(async move {
            let _place = places.acquire().await;
            let output = shell::run(&command, &root, &variables, shell::LIMIT).await;
            (command, output)
        });
    }
    outputs.extend(running.join_all().await);
    let outcome = |check: &Check| {
        let output = outputs.get(&check.command).cloned().unwrap_or_default();
        Outcome { check: check.clone(), output }
    };
    let of_rows =
        |page: &Page| page.rows.iter().map(|row| row.checks.iter().map(outcome).collect()).collect();
    pages.iter().map(|page| Report { page: page.clone(), outcomes: of_rows(page) }).collect()
}
