//! One round of `wrk` on one server.

use super::server::Server;
use anyhow::{Context, Result, bail, ensure};
use std::io::ErrorKind;
use tokio::process::Command;

const CONNECTIONS: &str = "-c64";
const THREADS: &str = "-t2";
const SPAN: &str = "-d2s";

/// What one round came to.
pub struct Lap {
    /// Requests in a second.
    pub rate: f64,
    /// What one of them took of the processor, in the server's process, in microseconds.
    pub cpu: f64,
}

/// Says so where `wrk` is missing.
pub async fn is_installed() -> Result<()> {
    match Command::new("wrk").arg("-v").output().await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("wrk is not installed; it is a package of that name in Debian, Fedora and Homebrew")
        }
        Err(error) => Err(error).context("wrk could not be run"),
    }
}

pub async fn lap(server: &Server) -> Result<Lap> {
    let before = server.cpu().await?;
    let output = Command::new("wrk")
        .args([CONNECTIONS, THREADS, SPAN])
        .arg(format!("http://{}/", server.addr))
        .kill_on_drop(true)
        .output()
        .await?;
    let spent = server.cpu().await? - before;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {said}{}", String::from_utf8_lossy(&output.stderr));
    server.forget()?;
    let (requests, rate) = parsed(&said).with_context(|| format!("wrk said: {said}"))?;
    Ok(Lap { rate, cpu: spent / requests })
}

/// How many requests were answered, and how many in a second.
fn parsed(said: &str) -> Result<(f64, f64)> {
    ensure!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "not all requests were answered");
    let line = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests = line.context("no number of requests")?.0.parse()?;
    let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    Ok((requests, rate.context("no rate")?.trim().parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 2s test @ http://127.0.0.1:3000/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms    1.15ms  21.04ms   87.71%
    Req/Sec    39.44k     2.02k   45.21k    70.00%
  157304 requests in 2.01s, 19.65MB read
Requests/sec:  78261.57
Transfer/sec:      9.78MB
";

    #[test]
    fn what_wrk_says_is_read() {
        assert_eq!(parsed(SAID).unwrap(), (157_304.0, 78_261.57));
        for bad in ["Non-2xx or 3xx responses: 7", "Socket errors: connect 0, read 7, write 0, timeout 0"] {
            assert!(parsed(&format!("{SAID}  {bad}\n")).is_err(), "{bad}");
        }
        assert!(parsed("").is_err());
    }
}
