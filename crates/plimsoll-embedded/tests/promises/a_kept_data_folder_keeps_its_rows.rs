//! A kept data folder is found again with its rows, its password and its settings, and belongs to one owner at a time.

use plimsoll_embedded::{Cluster, StopMode};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// Where the server's user may get to as well.
fn home() -> TempDir {
    let open = std::fs::Permissions::from_mode(0o755);
    tempfile::Builder::new().permissions(open).tempdir_in("/tmp").expect("a temporary folder")
}

#[tokio::test]
async fn across_a_clean_stop_and_with_the_same_password() {
    let home = home();
    let wanted = Cluster::builder().data_dir(home.path().join("data"));
    let first = wanted.clone().start().await.unwrap();
    first.execute("postgres", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await.unwrap();
    let password = first.password().to_owned();
    assert_eq!(first.execute("postgres", "SHOW fsync").await.unwrap()[0]["fsync"], "on");
    first.stop().await.unwrap();

    let second = wanted.clone().start().await.unwrap();
    assert_eq!(second.password(), password);
    assert_eq!(second.execute("postgres", "SELECT * FROM kept").await.unwrap().len(), 1);
    second.stop().await.unwrap();

    let third = wanted.password("another").start().await.unwrap();
    assert_eq!(third.password(), "another");
    third.execute("postgres", "SELECT 1").await.unwrap();
    third.stop().await.unwrap();
}

#[tokio::test]
async fn across_a_crash_that_left_its_pid_file_behind() {
    let home = home();
    let data = home.path().join("data");
    let first = Cluster::builder().data_dir(&data).start().await.unwrap();
    first.execute("postgres", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await.unwrap();
    first.stop().await.unwrap();
    // What a machine that lost its power leaves; and its id now belongs to somebody else.
    let me = std::process::id();
    std::fs::write(data.join("postmaster.pid"), format!("{me}\n{}\n1\n5432\n", data.display())).unwrap();
    let second = Cluster::builder().data_dir(&data).start().await.unwrap();
    assert_eq!(second.execute("postgres", "SELECT * FROM kept").await.unwrap().len(), 1);
}

/// A second postmaster on one data folder would destroy it.
#[tokio::test]
async fn and_is_refused_while_another_server_runs_on_it() {
    let home = home();
    let data = home.path().join("data");
    let wanted = Cluster::builder().data_dir(&data);
    let owner = wanted.clone().start().await.unwrap();
    let pid = owner.pid().unwrap();
    // As if the owner and its watchdog had both been killed: nobody holds the lock, and the server still runs.
    std::fs::remove_file(home.path().join(".data.lock")).unwrap();
    let error = wanted.start().await.unwrap_err().to_string();
    assert!(error.contains(&format!("process {pid}")) && error.contains("stop -D"), "{error}");
    assert_eq!(owner.pid(), Some(pid));
    owner.execute("postgres", "SELECT 1").await.unwrap();
}

#[tokio::test]
async fn across_a_killed_server() {
    let cluster = Cluster::start().await.unwrap();
    cluster.execute("postgres", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)").await.unwrap();
    let (port, pid) = (cluster.port(), cluster.pid().unwrap());
    let postmaster = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(postmaster, rustix::process::Signal::KILL).unwrap();
    while cluster.is_running() {
        tokio::task::yield_now().await;
    }
    cluster.start_again().await.unwrap();
    assert_eq!(cluster.port(), port);
    assert_ne!(cluster.pid(), Some(pid));
    assert_eq!(cluster.execute("postgres", "SELECT * FROM kept").await.unwrap().len(), 1);

    for mode in [StopMode::Fast, StopMode::Immediate, StopMode::Smart] {
        cluster.restart(mode).await.unwrap();
        assert_eq!(cluster.execute("postgres", "SELECT * FROM kept").await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn settings_tls_and_doors_are_as_they_were_asked_for() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cluster = Cluster::builder()
        .setting("max_connections", "17")
        .setting("application_name", "it's")
        .superuser("captain")
        .password("p@ss 'word'")
        .hba("hostnossl nobody all all reject")
        .tls(made.cert.pem(), made.signing_key.serialize_pem())
        .start()
        .await
        .unwrap();
    let show = async |name: &str| {
        cluster.execute("postgres", &format!("SHOW {name}")).await.unwrap()[0][name].clone()
    };
    assert_eq!(show("max_connections").await, "17");
    assert_eq!(show("ssl").await, "on");
    assert_eq!(show("fsync").await, "off");
    let rules = cluster.execute("postgres", "SELECT type FROM pg_hba_file_rules").await.unwrap();
    assert_eq!(rules[0]["type"], "hostnossl");
    let psql = |url: String| {
        let output =
            std::process::Command::new("psql").args([&url, "-Atc", "SELECT current_user"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(psql(cluster.url("postgres") + "?sslmode=require"), "captain\n");
    assert_eq!(psql(cluster.socket_url("postgres")), "captain\n");
}
