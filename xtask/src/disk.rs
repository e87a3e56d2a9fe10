//! How much of the disk is free: compilers fill tens of gigabytes, and say so only when there is nothing left.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::paths;
use crate::process::progress;

/// Kilobytes of a gigabyte.
const KB_OF_GB: u64 = 1024 * 1024;

/// What `cargo xtask test` fills from nothing, rounded up: compilers' work, packages, environments.
pub(crate) const FILLED_GB: u64 = 25;

/// Free gigabytes where compilers write; `None` if this machine does not tell.
pub(crate) fn free_gb() -> Option<u64> {
    let output = Command::new("df").arg("-Pk").arg(existing(paths::target())).output().ok()?;
    free_kb(&String::from_utf8_lossy(&output.stdout)).map(|kb| kb / KB_OF_GB)
}

/// Says before the first compiler starts that the disk may be too small.
pub(crate) fn warn() {
    if let Some(free) = free_gb().filter(|free| *free < FILLED_GB) {
        progress(&format!(
            "{free} GB are free; from nothing, tests fill about {FILLED_GB}: `cargo clean` frees old work"
        ));
    }
}

/// The nearest folder that is there already.
fn existing(mut path: PathBuf) -> PathBuf {
    while !path.exists() {
        path = path.parent().unwrap_or(Path::new("/")).to_owned();
    }
    path
}

/// The fourth word of the second line, as POSIX has it.
fn free_kb(answer: &str) -> Option<u64> {
    answer.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_the_fourth_word() {
        let answer =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263000000 96000000 16000 100% /\n";
        assert_eq!(free_kb(answer), Some(16_000));
        assert_eq!(free_kb("df: no such file\n"), None);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_on_the_disk_of_the_one_above() {
        assert_eq!(existing(paths::root().join("no/such/folder")), paths::root());
    }
}
