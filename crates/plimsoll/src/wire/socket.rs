//! The byte stream beneath a connection: TCP, TCP with TLS, or a Unix socket.

use crate::settings::Keepalives;
use socket2::{SockRef, TcpKeepalive};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

/// The code that asks a server for TLS. Source: PostgreSQL's protocol, message formats.
const SSL_REQUEST: i32 = 80_877_103;

/// An address that needs no further looking up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A connected stream.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<super::tls::Encrypted>),
}

/// Opens the plain stream.
pub(crate) async fn dial(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
    }
}

/// Makes the kernel notice a peer that has vanished.
///
/// # Errors
/// The kernel did not take an option.
pub(crate) fn set_keepalive(
    socket: &Socket,
    keepalives: Option<Keepalives>,
    user_timeout: Option<Duration>,
) -> io::Result<()> {
    let Socket::Tcp(stream) = socket else { return Ok(()) };
    let socket = SockRef::from(stream);
    if let Some(Keepalives { idle, interval, count }) = keepalives {
        socket.set_tcp_keepalive(
            &TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(count),
        )?;
    }
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
    if user_timeout.is_some() {
        socket.set_tcp_user_timeout(user_timeout)?;
        if socket.tcp_user_timeout()? != user_timeout {
            return Err(io::Error::other("the kernel did not keep the TCP user timeout"));
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
    let _ = user_timeout;
    Ok(())
}

/// The encryption around the plain stream.
#[derive(Clone)]
pub(crate) enum Wrap {
    /// Nothing.
    Plain,
    /// TLS; or nothing, if the server offers none and the mode allows that.
    #[cfg(feature = "tls")]
    Tls(super::tls::Wrapper),
}

impl Wrap {
    /// Negotiates encryption.
    pub(crate) async fn apply(&self, socket: Socket) -> io::Result<Socket> {
        match (self, socket) {
            #[cfg(feature = "tls")]
            (Wrap::Tls(wrapper), Socket::Tcp(stream)) => wrapper.encrypt(stream).await,
            (_, socket) => Ok(socket),
        }
    }
}

/// Asks the server whether it will speak TLS.
#[cfg_attr(not(feature = "tls"), allow(dead_code))]
pub(crate) async fn offers_tls(stream: &mut TcpStream) -> io::Result<bool> {
    let mut request = [0u8; 8];
    for (place, word) in request.chunks_exact_mut(4).zip([8, SSL_REQUEST]) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    stream.write_all(&request).await?;
    let mut answer = [0u8; 1];
    stream.read_exact(&mut answer).await?;
    match answer {
        [b'S'] => Ok(true),
        [b'N'] => Ok(false),
        // A server that cannot even begin a session answers so. Its message is not to be trusted before TLS.
        [b'E'] => Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the server answered a request for TLS with an error; its log says which",
        )),
        [other] => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("the server answered a request for TLS with the byte {other:#04x}; is it PostgreSQL?"),
        )),
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}

impl TlsStream for Socket {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Socket::Tcp(_) | Socket::Unix(_) => ChannelBinding::none(),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.channel_binding(),
        }
    }
}
