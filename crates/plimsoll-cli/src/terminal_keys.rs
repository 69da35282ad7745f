//! What is pressed, read on a thread of its own.
//!
//! A terminal that is gone gives its reader an end that never ends, and the library that reads it goes round in circles then. So it
//! is not read where it could hold up the rest: the command hears of the hang-up, or sees it, ends, and the thread ends with the
//! process.

use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;

/// Keys, and changes of the terminal's size.
#[derive(Debug)]
pub(crate) struct TerminalKeys(mpsc::Receiver<Event>);

impl TerminalKeys {
    /// Reads from now on. One reader at a time.
    pub(crate) fn read() -> Self {
        let (sender, receiver) = mpsc::channel(64);
        std::thread::spawn(move || {
            while let Ok(event) = event::read() {
                if sender.blocking_send(event).is_err() {
                    return;
                }
            }
        });
        TerminalKeys(receiver)
    }

    /// The next one; `None` once nothing can be read any more.
    ///
    /// # Cancel safety
    /// Dropped, none is missed.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// What has come already.
    pub(crate) fn waiting(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

/// Whether the terminal has hung up. A program that was not told so by a signal sees it here.
pub(crate) fn is_gone() -> bool {
    let stdin = std::io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut asked, Some(&at_once)).is_ok()
        && asked
            .iter()
            .any(|asked| asked.revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
}
