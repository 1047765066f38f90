//! A body for the answers to what is not HTTP.
//!
//! hyper answers a head that it cannot parse by itself, with a status alone, and has no hook for it. So the connection
//! looks at what is written: an answer that is nothing but such a head is replaced. No answer of the service's own is
//! empty.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that replaces hyper's empty answers.
pub(super) struct Worded<C> {
    connection: C,
    /// What is to be written in place of what hyper wrote.
    replacement: Vec<u8>,
}

impl<C> Worded<C> {
    pub(super) fn new(connection: C) -> Self {
        Self {
            connection,
            replacement: Vec::new(),
        }
    }
}

/// The answer in place of an empty one; none when it is another.
fn replacement(written: &[u8]) -> Option<Vec<u8>> {
    let written = str::from_utf8(written).ok()?;
    let status = written.strip_prefix("HTTP/1.1 ")?;
    let (status, message) = if status.starts_with("400 ") {
        ("400 Bad Request", "The request could not be understood.")
    } else if status.starts_with("414 ") {
        ("414 URI Too Long", "The requested URL is too long.")
    } else if status.starts_with("431 ") {
        (
            "431 Request Header Fields Too Large",
            "The headers of the request are too large.",
        )
    } else {
        return None;
    };
    if !(written.ends_with("\r\n\r\n") && written.contains("\r\ncontent-length: 0\r\n")) {
        return None;
    }
    let body = format!(r#"{{"success":false,"message":"{message}"}}"#);
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    Some(answer.into_bytes())
}

impl<C: AsyncRead + Unpin> AsyncRead for Worded<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Worded<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_empty() {
            match replacement(bytes) {
                Some(replacement) => this.replacement = replacement,
                None => return Pin::new(&mut this.connection).poll_write(context, bytes),
            }
        }
        while !this.replacement.is_empty() {
            let connection = Pin::new(&mut this.connection);
            match ready!(connection.poll_write(context, &this.replacement))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => this.replacement.drain(..written),
            };
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}
