//! Whose the file of a tenant is, and the directory that it is in: another user of the machine may have put it there.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::{Error, ErrorKind, Result};
use crate::private;

/// Refuses a file, or a directory around it, that belongs neither to this user nor to the superuser nor to whom the target's own file
/// belongs. One that is not there is nobody's.
pub(super) fn check(path: &Path) -> Result<()> {
    let directory = path.parent().unwrap_or(path);
    // It is called as the target's file, with an ending.
    let target = fs::metadata(directory.with_extension("")).map(|target| target.uid());
    for place in [directory, path] {
        let Ok(its) = fs::metadata(place) else {
            continue;
        };
        let is_trusted =
            private::is_own(&its) || its.uid() == 0 || target.as_ref().ok() == Some(&its.uid());
        if !is_trusted {
            return Err(Error::new(
                ErrorKind::Unavailable,
                format!(
                    "`{}` belongs to another user (number {}) than the target's file: a tenant's file may be put there by nobody \
                     else, look at who made it, and remove it or change its owner",
                    place.display(),
                    its.uid()
                ),
            ));
        }
    }
    Ok(())
}
