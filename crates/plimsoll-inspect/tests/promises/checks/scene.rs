//! What the promises of the checks begin with: one check asked by itself, and its remedy run and taken back.

use crate::session::session_at;
use plimsoll_inspect::checks::finding::Remedy;
use plimsoll_inspect::checks::run::{self, Asking};
use plimsoll_inspect::checks::{Checked, Finding, State, Thresholds, all, examine};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Client;

/// Who asks, and what about.
pub(crate) struct Scene {
    /// The session that asks: under the role that the test is about, or as the superuser.
    pub(crate) asker: Client,
    /// The superuser's, who runs remedies.
    pub(crate) owner: Client,
    /// The application's role.
    pub(crate) role: String,
    /// Numbers to judge by, where they are not the defaults.
    pub(crate) thresholds: Vec<(&'static str, f64)>,
}

impl Scene {
    /// The superuser asks about this role, at this database.
    pub(crate) async fn at(url: &str, role: &str) -> Self {
        Scene {
            asker: session_at(url, None, "asker").await,
            owner: session_at(url, None, "owner").await,
            role: role.to_owned(),
            thresholds: Vec::new(),
        }
    }

    /// What one check finds now.
    pub(crate) async fn found(&self, id: &str) -> Checked {
        self.examined(id, None).await
    }

    /// The same, with the console of a PgBouncer.
    pub(crate) async fn examined(&self, id: &str, pooler: Option<&Client>) -> Checked {
        let mut thresholds = Thresholds::default();
        for (name, value) in &self.thresholds {
            assert!(thresholds.set(name, *value), "there is a threshold {name}");
        }
        let asking = Asking { role: &self.role, thresholds };
        let until = Instant::now() + Duration::from_secs(30);
        let subject = run::subject(&self.asker, &asking, until).await.unwrap();
        let check = all().find(|check| check.id == id).expect("there is such a check");
        let mut checked = examine([check], &self.asker, pooler, &subject, &asking, until, |_| ()).await;
        checked.remove(0)
    }

    /// The finding about this, which has to be in this state.
    pub(crate) async fn finds(&self, id: &str, subject: &str, state: State) -> Finding {
        let checked = self.found(id).await;
        let found = checked.findings.iter().find(|finding| finding.subject == subject);
        let found = found.unwrap_or_else(|| panic!("{id} says nothing of {subject}: {checked:#?}"));
        assert_eq!(found.state, state, "{checked:#?}");
        found.clone()
    }

    /// The same, as soon as it is so: what sessions do shows a moment later, and so do counters.
    pub(crate) async fn comes_to_find(&self, id: &str, subject: &str, state: State) -> Finding {
        let is_it = |finding: &&Finding| finding.subject == subject && finding.state == state;
        let what = format!("{state} for {subject}");
        let checked = self.until(id, &what, |checked| checked.findings.iter().any(|one| is_it(&one))).await;
        checked.findings.iter().find(is_it).unwrap().clone()
    }

    /// The same, as soon as it is so.
    pub(crate) async fn comes_to_find_nothing(&self, id: &str) {
        self.until(id, "nothing is found", |checked| checked.state() == State::Ok).await;
    }

    /// This check says nothing of this subject that is worse than ok.
    pub(crate) async fn is_silent(&self, id: &str, subject: &str) {
        let checked = self.found(id).await;
        let about = checked.findings.iter().find(|finding| finding.subject == subject);
        assert!(about.is_none_or(|about| about.state == State::Ok), "{checked:#?}");
    }

    /// The same, as soon as it is so.
    pub(crate) async fn comes_to_be_silent(&self, id: &str, subject: &str) {
        let what = format!("nothing is said of {subject}");
        self.until(id, &what, |checked| checked.findings.iter().all(|finding| finding.subject != subject))
            .await;
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, id: &str, what: &str, is_wanted: impl Fn(&Checked) -> bool) -> Checked {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let checked = self.found(id).await;
            if is_wanted(&checked) {
                return checked;
            }
            assert!(Instant::now() < end, "it did not happen: {what}: {checked:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All is well for this check: no finding is worse than ok.
    pub(crate) async fn finds_nothing(&self, id: &str) {
        let checked = self.found(id).await;
        assert_eq!(checked.state(), State::Ok, "{checked:#?}");
    }

    /// Runs the remedy, which makes the finding go away, and the inverse, if there is one, which brings it back.
    pub(crate) async fn is_remedied(&self, id: &str, finding: &Finding) {
        let Some(Remedy::Sql { run, undo, .. }) = &finding.remedy else { panic!("it has SQL: {finding:#?}") };
        self.run(run).await;
        self.until(id, &format!("{run:?} puts it right"), |after| {
            let same = after.findings.iter().find(|other| other.subject == finding.subject);
            same.is_none_or(|same| same.state < finding.state)
        })
        .await;
        if !undo.is_empty() {
            self.run(undo).await;
            let what = format!("{undo:?} brings it back");
            self.until(id, &what, |back| back.findings.contains(finding)).await;
        }
    }

    async fn run(&self, statements: &[String]) {
        for statement in statements {
            self.owner
                .batch_execute(statement)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
        }
    }
}
