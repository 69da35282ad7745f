//! nginx with the very file of the guide in front of a service, as a process of its own that ends with the test.
//!
//! `make test` leaves the tests out whose names say `by_nginx` where nginx cannot be had; `PLIMSOLL_TEST_NGINX` names another
//! program.

use crate::service::{PATIENCE, until};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

const FILE: &str = "docs/guides/nginx.conf";

/// Around the file: no daemon, no other user, and nothing outside a folder of the test's own.
const AROUND: &str = "daemon off; master_process off; pid {folder}/pid; error_log stderr;\n\
    events {}\n\
    http {\n\
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;\n\
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
    include {folder}/service.conf;\n\
    }\n";

pub(super) struct Nginx {
    pub(super) at: SocketAddr,
    _process: Child,
    folder: TempDir,
}

/// `PLIMSOLL_TEST_NGINX`, the one that `scripts/setup` has unpacked, or the installed one, whose folder is not on everyone's
/// PATH.
fn program() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nginx/nginx");
    if let Some(named) = std::env::var_os("PLIMSOLL_TEST_NGINX") {
        return named.into();
    }
    let installed = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    let known = [unpacked].into_iter().chain(installed).find(|path| path.exists());
    known.unwrap_or_else(|| "nginx".into())
}

/// The file of the guide, for services at these addresses and a port of the test's own, with these words replaced.
fn file(at: SocketAddr, services: &[SocketAddr], folder: &Path, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(FILE);
    let mut text = fs::read_to_string(path).unwrap();
    let servers: String = services.iter().map(|service| format!("server {service};")).collect();
    let log = format!("{}/access.log", folder.display());
    let listen = format!("listen {at};");
    let own = [
        ("server 127.0.0.1:8080;", servers.as_str()),
        ("listen      80;", listen.as_str()),
        ("/var/log/nginx/service.log", log.as_str()),
    ];
    for (is, becomes) in own.iter().chain(changes) {
        assert!(text.contains(is), "{FILE} does not say {is:?}");
        text = text.replace(is, becomes);
    }
    text
}

async fn prepared(services: &[SocketAddr], changes: &[(&str, &str)]) -> (SocketAddr, TempDir, Command) {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = free.local_addr().unwrap();
    let path = folder.path().display().to_string();
    fs::write(folder.path().join("nginx.conf"), AROUND.replace("{folder}", &path)).unwrap();
    fs::write(folder.path().join("service.conf"), file(at, services, folder.path(), changes)).unwrap();
    let mut command = Command::new(program());
    command
        .args(["-e", "stderr", "-p", &path, "-c"])
        .arg(folder.path().join("nginx.conf"))
        .kill_on_drop(true);
    (at, folder, command)
}

/// What nginx says of the file.
pub(super) async fn check(service: SocketAddr) -> Output {
    let (_, _folder, mut command) = prepared(&[service], &[]).await;
    command.arg("-t").output().await.unwrap()
}

impl Nginx {
    pub(super) async fn in_front_of(services: &[SocketAddr], changes: &[(&str, &str)]) -> Nginx {
        let (at, folder, mut command) = prepared(services, changes).await;
        let process =
            command.stderr(Stdio::null()).spawn().expect("nginx, which `scripts/setup test` brings");
        let what = format!("nginx listens within {PATIENCE:?}");
        until(&what, async || TcpStream::connect(at).await.is_ok()).await;
        Nginx { at, _process: process, folder }
    }

    /// The lines of its access log.
    pub(super) fn log(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}
