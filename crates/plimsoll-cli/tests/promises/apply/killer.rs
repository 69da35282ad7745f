//! A stretch of wire that kills the process at its end with SIGKILL, before or after a given message has reached the server.
//!
//! Between any two lines of a journal that change what is certain, the command sends a message; so a kill at each message is
//! a kill at each state of the journal.

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The server never hears of the message.
    Before(usize),
    /// The server has done what it says; the process never hears of that.
    After(usize),
}

#[derive(Debug, Default)]
struct State {
    at: Option<At>,
    victim: Option<i32>,
    /// The messages so far: whether each changes something.
    messages: Vec<bool>,
}

/// The wire.
#[derive(Clone, Debug)]
pub(crate) struct Killer {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Killer {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let killer = Killer { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&killer.state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&state)));
            }
        });
        killer
    }

    /// Begins to count anew.
    pub(crate) fn arm(&self, at: Option<At>) {
        *self.state.lock() = State { at, ..State::default() };
    }

    pub(crate) fn aim(&self, victim: u32) {
        self.state.lock().victim = Some(victim.cast_signed());
    }

    /// The messages since it was armed: whether each changes something.
    pub(crate) fn messages(&self) -> Vec<bool> {
        self.state.lock().messages.clone()
    }
}

/// A message with its type and its length.
async fn frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 5];
    from.read_exact(&mut frame).await.ok()?;
    let length = u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize;
    frame.resize(length + 1, 0);
    from.read_exact(&mut frame[5..]).await.ok()?;
    Some(frame)
}

/// What the server says until it is ready for the next message.
async fn answer(server: &mut TcpStream) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let frame = frame(server).await?;
        let is_ready = frame[0] == b'Z';
        all.extend(frame);
        if is_ready {
            return Some(all);
        }
    }
}

/// A session of the simple protocol, in which each side waits for the other. No password is asked for.
async fn carry(mut client: TcpStream, mut server: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await.ok()?;
    let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut startup).await.ok()?;
    server.write_all(&[&length[..], &startup].concat()).await.ok()?;
    client.write_all(&answer(&mut server).await?).await.ok()?;
    loop {
        let message = frame(&mut client).await?;
        if message[0] != b'Q' {
            server.write_all(&message).await.ok()?;
            continue;
        }
        let (at, number) = {
            let mut state = state.lock();
            let text = String::from_utf8_lossy(&message);
            let changes =
                ["ALTER ", "CREATE ", "DROP ", "pg_reload_conf"].iter().any(|word| text.contains(word));
            state.messages.push(changes && !text.contains("READ ONLY"));
            (state.at, state.messages.len())
        };
        if at == Some(At::Before(number)) {
            kill(&state);
            return None;
        }
        server.write_all(&message).await.ok()?;
        let answer = answer(&mut server).await?;
        if at == Some(At::After(number)) {
            kill(&state);
            return None;
        }
        client.write_all(&answer).await.ok()?;
    }
}

fn kill(state: &Mutex<State>) {
    let victim = state.lock().victim.expect("it was aimed");
    kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL).unwrap();
}
