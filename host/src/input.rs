//! Files that this process reads whole: settings, secrets, steps.
//!
//! Whoever may put a file in its place can put a pipe there that nobody writes to, or a link to a device without an end. What
//! is read is a file, or a stream that the caller of the command has opened for it (`/dev/stdin`, `<(…)` of a shell), within
//! a bound and within a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

/// The most bytes of a file of settings or of a secret. Stops a device without an end.
const MOST_BYTES: u64 = 16 << 20;

/// What some editors begin a text with.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// How long a stream may take to its end. Stops a pipe that nobody closes.
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait for more of a stream.
const PAUSE: Duration = Duration::from_millis(10);

/// Where a process finds the streams that were opened for it.
const STREAMS: [&str; 3] = ["/dev/fd/", "/dev/stdin", "/proc/self/fd/"];

/// Whether two paths lead to one file.
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let of_system = (one.canonicalize(), other.canonicalize());
    one == other || matches!(of_system, (Ok(one), Ok(other)) if one == other)
}

/// The bytes of a file of settings or of a secret.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_at_most(path, MOST_BYTES)
}

/// The same as text, without the mark that some editors put before it.
pub fn read_text(path: &Path) -> io::Result<String> {
    let not_utf8 = |_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not UTF-8: save it as UTF-8",
        )
    };
    let text = String::from_utf8(read(path)?).map_err(not_utf8)?;
    Ok(match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// The bytes of a file that has no more of them than may be.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = open(path)?.take(most.saturating_add(1));
    let give_up = Instant::now() + LONGEST;
    loop {
        match file.read_to_end(&mut bytes) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < give_up => {
                std::thread::sleep(PAUSE);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it does not end within {} seconds", LONGEST.as_secs()),
                ));
            }
            Err(error) => return Err(error),
        }
    }
    if bytes.len() as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file has more than {} MiB", most >> 20),
        ));
    }
    Ok(bytes)
}

/// Opens a file without waiting for whoever would write to it, were it a pipe.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let is_stream = STREAMS.iter().any(|stream| path.starts_with(stream));
    if file.metadata()?.file_type().is_fifo() && !is_stream {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe, and no file",
        ));
    }
    Ok(file)
}
