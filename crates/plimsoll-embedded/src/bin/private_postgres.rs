//! Starts a private PostgreSQL, prints where it is, and keeps it until its standard input ends or it is killed.
//!
//! ```sh
//! private-postgres                    # temporary
//! private-postgres path/to/a/folder   # keeps its data there
//! private-postgres --shared           # the one that tests share
//! ```

use plimsoll_embedded::{Cluster, test_server};
use std::path::Path;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match hold().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("private-postgres: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn hold() -> Result<(), Box<dyn std::error::Error>> {
    let what = std::env::args_os().nth(1);
    if what.as_deref().is_some_and(|what| what == "--shared") {
        let server = test_server::server().await?;
        say(server.url("postgres"), server.pid(), server.socket_dir());
        return wait();
    }
    if let Some(option) = what.as_deref().and_then(|what| what.to_str()).filter(|what| what.starts_with('-'))
    {
        return Err(
            format!("there is no option {option}; it takes --shared, or the folder for its data").into()
        );
    }
    let mut wanted = Cluster::builder();
    if let Some(folder) = what {
        wanted = wanted.data_dir(folder);
    }
    let cluster = wanted.start().await?;
    say(cluster.url("postgres"), cluster.pid(), cluster.socket_dir());
    wait()?;
    cluster.stop().await?;
    Ok(())
}

fn say(url: String, pid: Option<u32>, folder: &Path) {
    println!("url {url}\npid {}\nfolder {}", pid.unwrap_or_default(), folder.display());
}

fn wait() -> Result<(), Box<dyn std::error::Error>> {
    std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink())?;
    Ok(())
}
