//! Documents that name what is there.

use std::collections::BTreeSet;

use crate::{SourceFile, Violation};

/// Every relative link of a Markdown file leads to a file or folder of the repository.
pub fn check(files: &[SourceFile]) -> Vec<Violation> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    for file in files {
        let mut path = file.path.as_str();
        while known.insert(path) {
            let Some((folder, _)) = path.rsplit_once('/') else { break };
            path = folder;
        }
    }
    let mut violations = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(&[".md"])) {
        for (index, line) in file.text.lines().enumerate() {
            for target in links(line) {
                let path = resolve(&file.path, target);
                if !known.contains(path.as_str()) {
                    violations.push(file.violation(index + 1, format!("`{target}` leads nowhere")));
                }
            }
        }
    }
    violations
}

/// The targets of `[text](target)` that are neither addresses nor anchors.
fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let targets = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    targets.map(|target| target.split('#').next().unwrap_or_default()).collect()
}

fn resolve(document: &str, target: &str) -> String {
    let mut path: Vec<&str> = document.split('/').collect();
    path.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_line(line: &str) -> usize {
        let decision = SourceFile::new("docs/decisions/0001-x.md", line);
        check(&[decision, SourceFile::new("cdc/src/lib.rs", "")]).len()
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        assert_eq!(check_line("See [the tail](../../dolake/src/tail.rs)."), 1);
    }

    #[test]
    fn links_to_files_folders_and_addresses_are_fine() {
        assert_eq!(check_line("See [cdc](../../cdc/), [its root](../../cdc/src/lib.rs) and [x](https://x)."), 0);
    }
}
