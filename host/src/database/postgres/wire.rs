//! Bytes to and from the server: a socket that never blocks, with or without TLS, and whole messages on top of it.
//!
//! Reading and writing go on at the same time, because a server that cannot get rid of its answers stops taking
//! questions. Whoever waits is asked every few milliseconds whether to go on.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use postgres_protocol::message::backend::Message;
use rustix::event::PollFlags;
use rustls::{ClientConnection, StreamOwned};

use super::socket::{SLICE, Socket, is_ready};

/// How much is read at once.
const PORTION: usize = 64 << 10;

/// How much may wait to be written before the server has to take some.
const MOST_OUTGOING: usize = 256 << 10;

enum Stream {
    Plain(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

/// A connection with its buffers.
pub(super) struct Wire {
    stream: Stream,
    incoming: BytesMut,
    /// What was not written yet.
    pub(super) outgoing: BytesMut,
    scratch: Box<[u8]>,
    most_message: usize,
    /// When whoever waits was asked last.
    asked: Instant,
    /// When the server answered something, or was asked something.
    heard: Instant,
    pub(super) longest_silence: Duration,
}

impl Wire {
    /// A wire over an open socket, which must not block. Messages of more than `most_message` bytes end it, and so does a
    /// silence that is longer than any answer may take.
    pub(super) fn new(
        socket: Socket,
        tls: Option<ClientConnection>,
        most_message: usize,
        longest_silence: Duration,
    ) -> Self {
        Self {
            stream: match tls {
                Some(tls) => Stream::Tls(Box::new(StreamOwned::new(tls, socket))),
                None => Stream::Plain(socket),
            },
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            scratch: vec![0; PORTION].into_boxed_slice(),
            most_message,
            asked: Instant::now(),
            heard: Instant::now(),
            longest_silence,
        }
    }

    /// The server's certificate, where TLS is spoken.
    pub(super) fn certificate(&self) -> Option<&[u8]> {
        match &self.stream {
            Stream::Tls(stream) => stream.conn.peer_certificates()?.first().map(|it| &**it),
            _ => None,
        }
    }

    /// Whether nobody on the way can read along.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Takes note that the server is about to be asked something.
    pub(super) fn ask(&mut self) {
        self.heard = Instant::now();
    }

    /// Writes what the socket takes without waiting.
    pub(super) fn push(&mut self) -> io::Result<()> {
        self.write().map(|_| ())
    }

    /// Writes until little is left to be written.
    pub(super) fn relieve(&mut self, wait: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        while self.outgoing.len() > MOST_OUTGOING {
            self.exchange(wait)?;
        }
        Ok(())
    }

    /// The next message, once everything is written. `wait` is asked every few milliseconds whether to
    /// go on, and may end it with an error.
    pub(super) fn receive(
        &mut self,
        wait: &mut dyn FnMut() -> io::Result<()>,
    ) -> io::Result<Message> {
        loop {
            // A server that never stops talking must not keep whoever waits from ending it.
            if self.asked.elapsed() >= SLICE {
                self.asked = Instant::now();
                wait()?;
                self.demand_answer()?;
            }
            if let Some(message) = self.parse()? {
                if !is_aside(&message) {
                    self.heard = Instant::now();
                }
                return Ok(message);
            }
            self.exchange(wait)?;
        }
    }

    /// Gives a server up that has answered nothing for too long, whatever else it says.
    fn demand_answer(&self) -> io::Result<()> {
        if self.heard.elapsed() <= self.longest_silence {
            return Ok(());
        }
        Err(io::Error::new(
            ErrorKind::TimedOut,
            format!(
                "the server has answered nothing for {:?}",
                self.longest_silence
            ),
        ))
    }

    /// Whether there is something that the server said without being asked, or it has hung up.
    pub(super) fn is_disturbed(&mut self) -> bool {
        !self.incoming.is_empty()
            || !matches!(self.read(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn parse(&mut self) -> io::Result<Option<Message>> {
        if let Some(header) = self.incoming.get(1..5) {
            let length = header
                .iter()
                .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            if length > self.most_message {
                return Err(io::Error::new(
                    ErrorKind::FileTooLarge,
                    "a value or row is too long",
                ));
            }
            if self.incoming.len() <= length {
                return Ok(None);
            }
        }
        Message::parse(&mut self.incoming)
    }

    /// Writes and reads what can be, waiting until something can.
    fn exchange(&mut self, wait: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        loop {
            let wrote = self.write()?;
            let read = match self.read() {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server closed the connection",
                    ));
                }
                Ok(_) => true,
                Err(error) if is_transient(&error) => false,
                Err(error) => return Err(error),
            };
            if read || wrote {
                return Ok(());
            }
            let flags = match self.wants_write() {
                true => PollFlags::IN | PollFlags::OUT,
                false => PollFlags::IN,
            };
            if !is_ready(self.descriptor(), flags)? {
                wait()?;
                self.demand_answer()?;
            }
        }
    }

    /// Writes what the socket takes; true when there was something to write and it took some.
    fn write(&mut self) -> io::Result<bool> {
        let mut wrote = false;
        while !self.outgoing.is_empty() {
            let written = match &mut self.stream {
                Stream::Plain(socket) => socket.write(&self.outgoing),
                Stream::Tls(stream) => stream.write(&self.outgoing),
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.outgoing.advance(count);
                    wrote = true;
                }
                Err(error) if is_transient(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if let Stream::Tls(stream) = &mut self.stream {
            match stream.flush() {
                Err(error) if !is_transient(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(wrote)
    }

    fn read(&mut self) -> io::Result<usize> {
        let count = match &mut self.stream {
            Stream::Plain(socket) => socket.read(&mut self.scratch),
            Stream::Tls(stream) => stream.read(&mut self.scratch),
        }?;
        // A long message takes its time.
        if !self.incoming.is_empty() {
            self.heard = Instant::now();
        }
        self.incoming
            .extend_from_slice(self.scratch.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn wants_write(&self) -> bool {
        match &self.stream {
            Stream::Plain(_) => !self.outgoing.is_empty(),
            Stream::Tls(stream) => !self.outgoing.is_empty() || stream.conn.wants_write(),
        }
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Plain(socket) => socket.as_fd(),
            Stream::Tls(stream) => stream.sock.as_fd(),
        }
    }
}

/// Whether it is something that a server says without being asked: whoever waits for an answer is no further by it.
fn is_aside(message: &Message) -> bool {
    matches!(
        message,
        Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_)
    )
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    /// A notice that says nothing.
    const NOTICE: &[u8] = b"N\0\0\0\x05\0";

    #[test]
    fn a_server_that_says_much_and_answers_nothing_is_given_up() {
        for pause in [Duration::ZERO, Duration::from_millis(30)] {
            let (client, mut server) = UnixStream::pair().unwrap();
            client.set_nonblocking(true).unwrap();
            std::thread::spawn(move || {
                while server.write_all(NOTICE).is_ok() {
                    std::thread::sleep(pause);
                }
            });
            let silence = Duration::from_millis(300);
            let mut wire = Wire::new(Socket::Unix(client), None, 1 << 20, silence);
            wire.ask();
            let error = loop {
                match wire.receive(&mut || Ok(())) {
                    Ok(message) => assert!(matches!(message, Message::NoticeResponse(_))),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        }
    }
}
