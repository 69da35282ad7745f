//! A role of an application at a database of its own, and the superuser who asks about it.

use crate::checks::scene::Scene;
use plimsoll_embedded::test_server::{self, TestDatabase};
use plimsoll_inspect::checks::{Finding, State};

pub(super) struct App {
    pub(super) db: TestDatabase,
    pub(super) scene: Scene,
}

impl App {
    pub(super) async fn new() -> Self {
        let db = test_server::database().await.unwrap();
        let role = format!("{}_app", db.name());
        db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
        let scene = Scene::at(&db.url(), &role).await;
        App { db, scene }
    }

    /// What the role's sessions are to begin with from now on.
    pub(super) async fn set(&self, settings: &str) {
        let role = &self.scene.role;
        self.run(&format!("ALTER ROLE {role} SET {settings}")).await;
    }

    /// The same in this database only.
    pub(super) async fn set_here(&self, settings: &str) {
        let (role, db) = (&self.scene.role, self.db.name());
        self.run(&format!("ALTER ROLE {role} IN DATABASE {db} SET {settings}")).await;
    }

    pub(super) async fn run(&self, sql: &str) {
        self.scene.owner.batch_execute(sql).await.unwrap();
    }

    /// The finding about the role.
    pub(super) async fn finds(&self, id: &str, state: State) -> Finding {
        self.scene.finds(id, &format!("role {}", self.scene.role), state).await
    }

    /// The finding about the role, whose remedy and its inverse do what they say.
    pub(super) async fn finds_and_remedies(&self, id: &str, state: State) -> Finding {
        let finding = self.finds(id, state).await;
        self.scene.is_remedied(id, &finding).await;
        finding
    }

    /// Removes the role, which is the server's and not the database's.
    pub(super) async fn end(self) {
        let role = &self.scene.role;
        self.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    }
}
