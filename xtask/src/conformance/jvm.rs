//! JDKs of the machine, and jars that Maven fetches into the cache.
//!
//! A JDK is too big and too much a matter of taste to be installed from here: it is looked for, and what is missing is
//! said in one line.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::lock::Lock;
use crate::paths;
use crate::process::{progress, run_quiet, version_of};

const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Jars of Maven's repositories with everything that they need at run time.
pub(super) struct Jars {
    /// The folder in the cache.
    pub(super) name: &'static str,
    /// Where versions come from that are left out below, as `group:artifact:version`.
    pub(super) imports: &'static [&'static str],
    /// `group:artifact:version[:classifier]`; an empty version is imported.
    pub(super) artifacts: &'static [&'static str],
}

impl Jars {
    /// Fetches what is missing; returns the folder of the jars.
    pub(super) fn ensure(&self) -> Result<PathBuf> {
        let folder = paths::cache().join("jars").join(self.name);
        let (lib, stamp) = (folder.join("lib"), folder.join("lake-jars"));
        let wanted = self.pom();
        let is_current = || std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted);
        if is_current() {
            return Ok(lib);
        }
        let _lock = Lock::take(&format!("jars-{}", self.name))?;
        if is_current() {
            return Ok(lib);
        }
        maven()?;
        progress(&format!("fetching the jars of {}", self.name));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot replace {}", folder.display()))?;
        }
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("pom.xml"), &wanted)?;
        run_quiet(
            Command::new("mvn")
                .args(["--quiet", "--batch-mode", COPY, "-DincludeScope=runtime", "-DoutputDirectory=lib"])
                .current_dir(&folder),
        )?;
        std::fs::write(&stamp, wanted)?;
        Ok(lib)
    }

    fn pom(&self) -> String {
        let mut text = String::from(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>lake</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>\
             <dependencyManagement><dependencies>",
        );
        for import in self.imports {
            dependency(&mut text, import, "<type>pom</type><scope>import</scope>");
        }
        text.push_str("</dependencies></dependencyManagement><dependencies>");
        for artifact in self.artifacts {
            dependency(&mut text, artifact, "");
        }
        text + "</dependencies></project>\n"
    }
}

fn dependency(text: &mut String, coordinates: &str, rest: &str) {
    text.push_str("<dependency>");
    for (tag, value) in ["groupId", "artifactId", "version", "classifier"].iter().zip(coordinates.split(':')) {
        if !value.is_empty() {
            let _ = write!(text, "<{tag}>{value}</{tag}>"); // Writing to a string cannot fail.
        }
    }
    text.push_str(rest);
    text.push_str("</dependency>");
}

/// Whether Maven can be called.
pub(super) fn maven() -> Result<()> {
    match version_of("mvn") {
        Some(_) => Ok(()),
        None => bail!("no Maven: `mvn` is looked for on PATH (apt install maven)"),
    }
}

/// The home of a JDK of this major version: `LAKE_JDK17` and the like, `JAVA_HOME`, `java` on PATH, then where systems
/// keep theirs.
pub(super) fn jdk(major: u32) -> Result<PathBuf> {
    let variable = format!("LAKE_JDK{major}");
    let named = [variable.as_str(), "JAVA_HOME"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let homes = named.chain(on_path()).chain(installed());
    match homes.into_iter().find(|home| version(home) == Some(major)) {
        Some(home) => Ok(home),
        None => {
            bail!("no JDK {major}: looked at ${variable}, $JAVA_HOME, `java` on PATH, and the system's folder of JDKs")
        }
    }
}

/// The home of the `java` that a shell would start.
fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let java = std::env::split_paths(&path).map(|folder| folder.join("java")).find(|java| java.exists())?;
    Some(java.canonicalize().ok()?.parent()?.parent()?.to_owned())
}

fn installed() -> Vec<PathBuf> {
    let mut homes = Vec::new();
    for (folder, below) in [("/usr/lib/jvm", ""), ("/Library/Java/JavaVirtualMachines", "Contents/Home")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            homes.push(entry.path().join(below));
        }
    }
    homes.sort();
    homes
}

/// The major version of a JDK, if there is one.
fn version(home: &Path) -> Option<u32> {
    let text = version_of(home.join("bin/javac"))?;
    text.strip_prefix("javac ")?.split('.').next()?.parse().ok()
}

/// Compiles one source file of ours and packs it, with other files, into a jar in `lib`.
pub(super) fn jar(jdk: &Path, source: Option<&Path>, files: &[(&str, &str)], lib: &Path, jar: &Path) -> Result<()> {
    let classes = jar.with_extension("classes");
    if classes.exists() {
        std::fs::remove_dir_all(&classes)?;
    }
    std::fs::create_dir_all(&classes)?;
    for (name, text) in files {
        let file = classes.join(name);
        std::fs::create_dir_all(file.parent().unwrap_or(&classes))?;
        std::fs::write(file, text)?;
    }
    if let Some(source) = source {
        let mut javac = Command::new(jdk.join("bin/javac"));
        run_quiet(javac.arg("-cp").arg(lib.join("*")).arg("-d").arg(&classes).arg(source))?;
    }
    let mut pack = Command::new(jdk.join("bin/jar"));
    run_quiet(pack.args(["--create", "--file"]).arg(jar).arg("-C").arg(&classes).arg("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_may_leave_its_version_out_and_name_a_classifier() {
        let jars = Jars { name: "x", imports: &["g:bom:1"], artifacts: &["g:a:", "g:b:2:tests"] };
        let pom = jars.pom();
        for part in [
            "<artifactId>bom</artifactId><version>1</version><type>pom</type><scope>import</scope>",
            "<artifactId>a</artifactId></dependency>",
            "<artifactId>b</artifactId><version>2</version><classifier>tests</classifier></dependency>",
        ] {
            assert!(pom.contains(part), "{pom}");
        }
    }
}
