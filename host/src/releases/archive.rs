//! An archive of a layout: its files in the order of their names, without times, users and links. The same layout makes the same
//! archive.

use std::fs::{File, Permissions};
use std::io::{self, BufReader, BufWriter, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, EntryType, Header};
use tempfile::NamedTempFile;

use super::content_digest::ContentDigest;
use super::error::ReleaseError;
use super::limits;
use crate::input;

/// What any user may do with the files of a layout: they are made to be handed on.
const MODE: u32 = 0o644;

/// The most entries of an archive: a step has a manifest, a configuration and two files.
const MOST_ENTRIES: usize = 10 * limits::STEPS;

/// Lets others read a file.
pub(super) fn open_to_all(file: &File) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(MODE))
}

/// Unpacks an archive. What has no place in a layout is an error, but for directories.
pub(super) fn unpack(path: &Path, into: &Path) -> Result<(), ReleaseError> {
    let wrong = |why: String| ReleaseError::NotARelease {
        what: format!("`{}`", path.display()),
        why,
    };
    let not_found = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReleaseError::NotFound(format!("`{}`", path.display())),
        _ => ReleaseError::file("read", path)(error),
    };
    let file = input::open(path).map_err(not_found)?;
    let unreadable =
        |error: io::Error| wrong(format!("it is no archive that can be read: {error}"));
    let mut archive = Archive::new(BufReader::new(file));
    let mut room = limits::RELEASE_BYTES;
    std::fs::create_dir_all(into.join("blobs/sha256"))
        .map_err(ReleaseError::file("write", into))?;
    // Raw, because the library reads long names and further headers wholly, however large they are. No file of a layout has any.
    let entries = archive.entries().map_err(unreadable)?.raw(true);
    for (number, entry) in entries.enumerate() {
        let mut entry = entry.map_err(unreadable)?;
        if number >= MOST_ENTRIES || entry.size() > room {
            return Err(ReleaseError::OverLimit {
                what: format!("`{}`", path.display()),
                limit: "the bytes and files of a release",
                most: format!("{} and {MOST_ENTRIES}", limits::RELEASE_BYTES),
            });
        }
        room -= entry.size();
        let name = entry.path().map_err(unreadable)?.into_owned();
        match entry.header().entry_type() {
            // What further headers say is of no use to a layout: times, users.
            EntryType::Directory | EntryType::XHeader | EntryType::XGlobalHeader => continue,
            EntryType::Regular | EntryType::Continuous => {}
            _ => return Err(wrong(format!("`{}` in it is no file", name.display()))),
        }
        let inner = inner(&name).ok_or_else(|| {
            wrong(format!(
                "it holds `{}`, which no layout has",
                ReleaseError::said(&name.to_string_lossy())
            ))
        })?;
        let to = into.join(&inner);
        let mut written = || {
            let mut file = File::create(&to)?;
            let size = entry.size();
            io::copy(&mut entry.by_ref().take(size), &mut file)
        };
        written().map_err(ReleaseError::file("unpack", to.clone()))?;
    }
    Ok(())
}

/// The place of a file of an archive, when it is one of a layout.
fn inner(name: &Path) -> Option<PathBuf> {
    let name = name.to_str()?;
    let name = name.strip_prefix("./").unwrap_or(name);
    let is_blob = |name: &str| ContentDigest::from_hexadecimal(name).is_some();
    let is_known = matches!(name, "oci-layout" | "index.json")
        || name.strip_prefix("blobs/sha256/").is_some_and(is_blob);
    is_known.then(|| PathBuf::from(name))
}

/// Writes the archive of a layout.
pub(super) fn pack(root: &Path, path: &Path) -> Result<(), ReleaseError> {
    let failed = |error| ReleaseError::file("write", path)(error);
    let blobs = root.join("blobs/sha256");
    let mut names = vec![PathBuf::from("index.json"), PathBuf::from("oci-layout")];
    for entry in std::fs::read_dir(&blobs).map_err(failed)? {
        names.push(Path::new("blobs/sha256").join(entry.map_err(failed)?.file_name()));
    }
    names.sort();
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let written = || {
        let temporary = NamedTempFile::new_in(directory)?;
        let mut builder = Builder::new(BufWriter::new(temporary.as_file()));
        for name in &names {
            let file = File::open(root.join(name))?;
            let mut header = Header::new_ustar();
            header.set_size(file.metadata()?.len());
            header.set_mode(MODE);
            header.set_mtime(0);
            builder.append_data(&mut header, name, file)?;
        }
        builder
            .into_inner()?
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        open_to_all(temporary.as_file())?;
        temporary.as_file().sync_all()?;
        temporary.persist(path)?;
        Ok(())
    };
    written().map_err(failed)
}
