//! The messages of PostgreSQL's protocol: a type, a length that counts itself, a body. Only a client's first has no type.
//!
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use std::io::{self, Read as _};
use std::net::TcpStream;

/// What the first message of a client says when it is no beginning but asks for the end of another's statement.
const CANCEL: [u8; 4] = 80_877_102_u32.to_be_bytes();

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// One message.
pub(crate) struct Message {
    /// Its type; 0 of a client's first message.
    kind: u8,
    /// All of it, the type and the length among them.
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    /// Whether the server answers up to `ReadyForQuery` when it has this.
    pub(crate) fn asks_for_all(&self) -> bool {
        matches!(self.kind, 0 | b'S' | b'Q')
    }

    /// Whether a client hangs up.
    pub(crate) fn is_goodbye(&self) -> bool {
        self.kind == b'X'
    }

    /// Whether a client asks that another's statement be cancelled.
    pub(crate) fn is_cancel_request(&self) -> bool {
        self.kind == 0 && self.bytes.get(4..8) == Some(&CANCEL)
    }

    /// Whether a server has answered all that it was asked.
    pub(crate) fn is_ready(&self) -> bool {
        self.kind == b'Z'
    }

    /// What it does, for those who count: a statement that is parsed, bound by its name or run, and bulk data.
    pub(crate) fn asked(&self) -> Asked<'_> {
        let mut texts = self
            .bytes
            .get(5..)
            .unwrap_or_default()
            .split(|byte| *byte == 0)
            .map(|text| std::str::from_utf8(text).unwrap_or_default());
        let mut text = || texts.next().unwrap_or_default();
        match self.kind {
            0 => Asked::Start,
            b'Q' => Asked::Run(text()),
            b'P' => Asked::Parse(text(), text()),
            b'B' => {
                text();
                Asked::Bind(text())
            }
            b'd' => Asked::Copy,
            _ => Asked::Other,
        }
    }
}

/// What a client's message is about.
pub(crate) enum Asked<'m> {
    Start,
    Run(&'m str),
    /// A statement's name, which may be empty, and its text.
    Parse(&'m str, &'m str),
    /// The name of the statement that will run.
    Bind(&'m str),
    Copy,
    Other,
}

/// Reads messages from a socket.
pub(crate) struct Frames<'s> {
    socket: &'s TcpStream,
    buffer: Vec<u8>,
    start: usize,
    /// Whether the next message has no type.
    is_first: bool,
}

impl<'s> Frames<'s> {
    pub(crate) fn of_client(socket: &'s TcpStream) -> Self {
        Self {
            socket,
            buffer: Vec::new(),
            start: 0,
            is_first: true,
        }
    }

    pub(crate) fn of_server(socket: &'s TcpStream) -> Self {
        Self {
            is_first: false,
            ..Self::of_client(socket)
        }
    }

    /// How long the message is that begins what was read; none as long as that is not known, or not all of it is there.
    fn length(&self) -> Option<usize> {
        let read = self.buffer.get(self.start..)?;
        let typed = usize::from(!self.is_first);
        let length: [u8; 4] = read.get(typed..typed + 4)?.try_into().ok()?;
        let length = typed + usize::try_from(u32::from_be_bytes(length)).ok()?;
        (read.len() >= length).then_some(length)
    }

    /// Whether the next message has been read already.
    pub(crate) fn has_more(&self) -> bool {
        self.length().is_some()
    }

    /// The next message, when it has come; none at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(length) = self.length() {
                let end = self.start + length;
                let bytes = self
                    .buffer
                    .get(self.start..end)
                    .unwrap_or_default()
                    .to_vec();
                self.start = end;
                let kind = match std::mem::take(&mut self.is_first) {
                    true => 0,
                    false => bytes.first().copied().unwrap_or_default(),
                };
                return Ok(Some(Message { kind, bytes }));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let read = self.buffer.len();
            self.buffer.resize(read + CHUNK, 0);
            let more = self
                .socket
                .read(self.buffer.get_mut(read..).unwrap_or_default());
            self.buffer
                .truncate(read + more.as_ref().copied().unwrap_or_default());
            if more? == 0 {
                return Ok(None);
            }
        }
    }
}
