//! Whatever is asked, what is answered is described: no 500, no status, kind or field that `/openapi.json` does not know, no
//! success for what it does not allow, and none without the token that it asks for.
//!
//! schemathesis makes the requests out of the description: what it allows, what is next to that, and what follows from answers
//! before. How it is told is in `tests/schemathesis.toml`.

use crate::service::{self, Fleet};
use crate::things::of_the_first_tenant;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Requests of each kind for each operation.
const EXAMPLES: &str = "25";

fn program(root: &Path) -> PathBuf {
    match std::env::var_os("PLIMSOLL_SCHEMATHESIS") {
        Some(named) => named.into(),
        None => root.join("../../target/schemathesis/bin/schemathesis"),
    }
}

/// What tenants, devices and anyone may ask comes first: operators may delete the tenant of all that.
const SELECTIONS: [[&str; 2]; 2] = [["--exclude-tag", "operator"], ["--include-tag", "operator"]];

#[tokio::test]
#[ignore = "takes minutes; make contract runs it"]
async fn to_schemathesis() {
    let fleet = service::start().await;
    for number in 0..3 {
        of_the_first_tenant(&fleet, number).await;
    }
    for selection in SELECTIONS {
        // Its tenant lives before each.
        assert_eq!(fleet.device.get("/customer/devices").await.status, 200);
        let ended = command(&fleet, selection).status().await.unwrap();
        assert!(ended.success(), "schemathesis has found what is told above: {ended}");
    }
}

fn command(fleet: &Fleet, selection: [&str; 2]) -> Command {
    let (root, device) = (Path::new(env!("CARGO_MANIFEST_DIR")), &fleet.device);
    let said = |name: &str, otherwise: &str| std::env::var(name).unwrap_or_else(|_| otherwise.to_owned());
    let mut command = Command::new(program(root));
    command.arg("--config-file").arg(root.join("tests/schemathesis.toml"));
    command.args(["run", &format!("{}/openapi.json", device.url), "--url", &device.url, "--no-color"]);
    command.args(["--checks", "all", "--seed", &said("PLIMSOLL_SEED", "1")]).args(selection);
    command.args(["--max-examples", &said("PLIMSOLL_EXAMPLES", EXAMPLES)]);
    command.current_dir(fleet.folder.path()).kill_on_drop(true).stdin(Stdio::null());
    command.env("TENANT_TOKEN", &device.token).env("OPERATOR_TOKEN", &device.operator);
    command.env("DEVICE_KEY", &device.key);
    command
}
