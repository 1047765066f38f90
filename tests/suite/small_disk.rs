//! A disk that is soon full.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system in memory; taken away when it is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None where this process may not mount anything.
    pub fn mount(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0777"),
                "tmpfs",
            ])
            .arg(at)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                println!("skipped: a small disk cannot be made here: {other:?}");
                None
            }
        }
    }

    /// Makes room.
    pub fn grow(&self, size: &str) {
        let grown = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(&self.0)
            .status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever is in there goes with it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
