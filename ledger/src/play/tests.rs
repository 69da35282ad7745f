//! A look comes after what it looks for: the one case that no play makes at will, a statement that has left its program
//! and that its session has not begun with.

use super::*;
use crate::client::Place;
use plimsoll_faults::Process;
use tokio_postgres::{Client, NoTls};

const ID: i64 = 7;
/// As long as a look takes several times over.
const NO_ANSWER_YET: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(10);

/// A program that is about to be killed: its session, and the task that holds its socket.
struct Program {
    client: Client,
    socket: tokio::task::JoinHandle<()>,
    session: Process,
}

impl Program {
    #[expect(clippy::disallowed_methods, reason = "a program that is killed has nothing that looks after it")]
    async fn connect(place: &Place) -> Result<Self> {
        let (client, connection) = tokio_postgres::Config::new()
            .host("127.0.0.1")
            .port(place.port)
            .user(&place.user)
            .password(&place.password)
            .dbname(place.database)
            .connect(NoTls)
            .await?;
        let socket = tokio::spawn(async move { drop(connection.await) });
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Ok(Program { client, socket, session: Process::attach(u32::try_from(pid)?)? })
    }

    /// Sends its statement to a session that stands still, and is gone.
    async fn dies_while_it_asks(self, track: &Track) -> Result<Process> {
        self.session.freeze().await?;
        // It was the first to connect.
        let sent =
            || track.wire().wires().into_iter().find(|wire| wire.connection == 1).map(|wire| wire.to_server);
        let before = sent();
        let Program { client, socket, session } = self;
        let asks = tokio::spawn(async move {
            client.simple_query(&format!("INSERT INTO entry (id) VALUES ({ID})")).await.map(drop)
        });
        timeout(SOON, async {
            while sent() == before {
                sleep(LOOK_AGAIN).await;
            }
        })
        .await?;
        socket.abort();
        drop(socket.await);
        drop(asks.await);
        Ok(session)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_program_has_sent_is_waited_for() -> Result<()> {
    let lane = Lane::Plimsoll;
    let stage = Stage::set(Fault::Calm, Way::Direct, &[lane], 1).await?;
    let track = stage.tracks.first().context("a lane")?;
    let program = Program::connect(&stage.place(track)).await?;
    let desk = Desk::new(lane.open(&stage.place(track)).await?);
    desk.log.asks(Op::Insert, &[ID]);
    let session = program.dies_while_it_asks(track).await?;
    desk.log.all_have_left();

    let mut look = Box::pin(settled(&stage, track, &desk));
    let early = timeout(NO_ANSWER_YET, &mut look).await;
    session.thaw()?;
    assert!(early.is_err(), "it was looked up before its session had ended: {early:?}");
    let found = timeout(SOON, look).await?;
    assert_eq!(found, Some(BTreeSet::from([ID])), "and is found");
    desk.client().close().await;
    stage.strike().await
}
