//! One installation or script build at a time, across commands.

use std::fs::File;

use anyhow::Result;

use crate::paths;
use crate::process::progress;

/// Held until dropped; the system gives it back if the process dies.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of this name.
    pub(crate) fn take(name: &str) -> Result<Self> {
        let folder = paths::cache().join("locks");
        std::fs::create_dir_all(&folder)?;
        let file = File::create(folder.join(name))?;
        if file.try_lock().is_err() {
            progress(&format!("waiting for another command that holds '{name}'"));
            file.lock()?;
        }
        Ok(Self { _file: file })
    }
}
