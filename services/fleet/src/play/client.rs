//! How a made-up device speaks to the service: over a socket, by HTTP, as any other.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request has ended by then; the service's own deadline is shorter.
const LIMIT: Duration = Duration::from_secs(30);

/// A device's connection, which it makes anew when it is gone.
pub(super) struct Client {
    to: SocketAddr,
    key: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(super) fn new(to: SocketAddr, key: &str) -> Self {
        Client { to, key: key.to_owned(), connection: None }
    }

    /// Sends a reading; none where no answer came.
    ///
    /// # Cancel safety
    /// Dropped, the reading may have been taken.
    pub(super) async fn send(&mut self, path: &str, reading: String) -> Option<StatusCode> {
        let answer = timeout(LIMIT, self.exchange(path, reading)).await;
        match answer {
            Ok(Ok(status)) => Some(status),
            Ok(Err(_)) | Err(_) => {
                self.connection = None;
                None
            }
        }
    }

    async fn exchange(&mut self, path: &str, reading: String) -> Result<StatusCode, Gone> {
        let request = Request::post(path)
            .header(header::HOST, self.to.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .header("X-Provision-Token", &self.key)
            .body(Full::from(reading))
            .map_err(|_| Gone)?;
        let connection = match &mut self.connection {
            Some(connection) if !connection.is_closed() => connection,
            other => other.insert(connect(self.to).await?),
        };
        connection.ready().await.map_err(|_| Gone)?;
        let answer = connection.send_request(request).await.map_err(|_| Gone)?;
        let status = answer.status();
        // Read to its end, so that the connection can be used again.
        answer.into_body().collect().await.map_err(|_| Gone)?;
        Ok(status)
    }
}

/// There was no answer. Why makes no difference to a device: it sends again.
struct Gone;

async fn connect(to: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Gone> {
    let stream = TcpStream::connect(to).await.map_err(|_| Gone)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(|_| Gone)?;
    // Ends with the connection, which ends with its device.
    tokio::spawn(driver);
    Ok(connection)
}
