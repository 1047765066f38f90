//! How long to wait for a server that does not answer.
//!
//! Nothing here blocks: whoever waits looks every few milliseconds whether to go on. When the run has to end, what still has
//! to be said to the server is said, but a server that is away is not waited for any longer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

use super::super::{Stop, Wait, Waited};
use super::socket::{SLICE, Socket, is_ready};

/// How long a server may take to let a session in whose run has to end: long enough to write down how it ended, and shorter
/// than the host itself is given to end.
const WINDING_UP: Duration = Duration::from_secs(2);

/// A wait that is bounded, and ends earlier when the run has to end.
#[derive(Debug)]
pub(super) struct Patience {
    began: Instant,
    give_up: Instant,
    /// Who is waited for, and when something was said of that.
    whom: String,
    told: OnceLock<Instant>,
    waited: Mutex<Waited>,
    /// What ends it, unless there was a reason to stop before it began.
    stop: Option<Stop>,
}

impl Patience {
    /// Waits for so long, unless the run has to end.
    pub(super) fn new(whom: &str, most: Duration, stop: &Stop) -> Self {
        match stop.reason() {
            None => Self {
                whom: whom.to_owned(),
                stop: Some(stop.clone()),
                ..Self::until(most)
            },
            Some(_) => Self::brief(most),
        }
    }

    fn until(most: Duration) -> Self {
        let began = Instant::now();
        Self {
            began,
            give_up: began + most,
            whom: String::new(),
            told: OnceLock::new(),
            waited: Mutex::new(Waited::new()),
            stop: None,
        }
    }

    /// Waits no longer than a run that has to end may.
    pub(super) fn brief(most: Duration) -> Self {
        Self::until(most.min(WINDING_UP))
    }

    /// Ends the wait when its time is over, or there is a reason to stop.
    pub(super) fn check(&self) -> io::Result<()> {
        if self
            .stop
            .as_ref()
            .is_some_and(|stop| stop.reason().is_some())
        {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the run has to end, and the server does not answer",
            ));
        }
        match Instant::now() < self.give_up {
            true => {
                self.tell();
                Ok(())
            }
            false => Err(io::Error::new(
                ErrorKind::TimedOut,
                "the server does not answer",
            )),
        }
    }

    fn tell(&self) {
        let waited = {
            let mut waited = self.waited.lock().unwrap_or_else(PoisonError::into_inner);
            waited.looks();
            waited.time()
        };
        let Some(stop) = &self.stop else {
            return;
        };
        if Wait::is_worth_telling(waited, self.told.get().copied())
            && self.told.set(Instant::now()).is_ok()
        {
            stop.tell(&Wait {
                whom: self.whom.clone(),
                why: "it has not let this host in".to_owned(),
                waited,
                at_most: self.give_up.duration_since(self.began),
            });
        }
    }

    /// Waits for a while before the next try.
    pub(super) fn pause(&self, pause: Duration) -> io::Result<()> {
        let end = Instant::now() + pause;
        while Instant::now() < end {
            self.check()?;
            std::thread::sleep(SLICE.min(end.saturating_duration_since(Instant::now())));
        }
        self.check()
    }

    /// Opens a socket that does not block.
    pub(super) fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket(family, SocketType::STREAM, None)?;
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        ioctl_fionbio(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS | Errno::INTR) => {
                while !is_ready(&socket, PollFlags::OUT)? {
                    self.check()?;
                }
                sockopt::socket_error(&socket)??;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(TcpStream::from(socket))
    }
}

/// A socket that does not block, for those who do not know that: waits for it, with patience.
pub(super) struct Patiently<'s> {
    pub(super) socket: &'s mut Socket,
    pub(super) patience: &'s Patience,
}

impl Patiently<'_> {
    fn wait<R>(
        &mut self,
        flags: PollFlags,
        mut attempt: impl FnMut(&mut Socket) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match attempt(self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !is_ready(&*self.socket, flags)? {
                        self.patience.check()?;
                    }
                }
                done => return done,
            }
        }
    }
}

impl Read for Patiently<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN, |socket| socket.read(buffer))
    }
}

impl Write for Patiently<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT, |socket| socket.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
