//! A client of HTTP/1.1 that keeps its connection and does no more than a measurement needs: it shares its processors with what is
//! measured.

use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The longest answer that is read.
const LONGEST: usize = 64 << 20;

pub struct Client {
    stream: BufReader<TcpStream>,
    line: String,
    /// The body of the last answer.
    pub body: Vec<u8>,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(addr).await.with_context(|| format!("cannot connect to {addr}"))?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::new(stream), line: String::new(), body: Vec::new() })
    }

    /// Sends a request and reads its answer to the end; gives the status.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.get_mut().write_all(request).await?;
        let status = self.line().await?.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.context("the answer has no status")?;
        let mut length = 0;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').context("a header has no name")?;
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("the answer is in pieces, which this client does not read");
            }
        }
        ensure!(length <= LONGEST, "the answer has {length} bytes");
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body).await?;
        Ok(status)
    }

    async fn line(&mut self) -> Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line).await? > 0, "the connection was closed");
        Ok(self.line.trim_end())
    }
}

/// A request with a body of JSON.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench\r\nX-Provision-Token: {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A question with an access token.
pub fn get(path: &str, token: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn answers_are_read_to_their_ends_and_the_connection_is_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = [0; 4096];
            for answer in [
                "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}",
                "HTTP/1.1 503 No\r\nA: b\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ] {
                assert!(stream.read(&mut read).await.unwrap() > 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut client = Client::connect(addr).await.unwrap();
        assert_eq!(client.ask(&post("/", "t", "{}")).await.unwrap(), 202);
        assert_eq!(client.body, b"{}");
        assert_eq!(client.ask(&get("/", "t")).await.unwrap(), 503);
        assert_eq!(client.body, b"");
        assert!(client.ask(&get("/", "t")).await.is_err(), "what it cannot read it says");
        serving.await.unwrap();
        assert!(client.ask(&get("/", "t")).await.is_err(), "a connection that was closed");
    }
}
