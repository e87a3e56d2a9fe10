//! Apache Iceberg's REST Compatibility Kit: the tests of its own Java client, against a catalog that is not its own.
//!
//! Every system property becomes a property of the kit's client, so the address and the token are given as such.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use super::expected::Outcome;
use super::jvm::{Jars, jar, jdk, maven};
use super::{Run, Suite, junit};

pub(super) const SUITE: Suite = Suite {
    name: "rck",
    client: "Apache Iceberg REST Compatibility Kit 1.11.0",
    tests: "the kit's own",
    install: || lacks().and_then(|_| JARS.ensure().map(drop)),
    drive,
    report: Some(report),
};

/// The kit was compiled for it; on a newer one most of it fails in the JDK's own security manager.
const JDK: u32 = 17;

const JARS: Jars = Jars {
    name: "rck-1.11.0",
    imports: &["org.junit:junit-bom:5.14.1"],
    artifacts: &[
        "org.apache.iceberg:iceberg-open-api:1.11.0:tests",
        "org.apache.iceberg:iceberg-open-api:1.11.0:test-fixtures",
        "org.apache.iceberg:iceberg-core:1.11.0",
        "org.apache.iceberg:iceberg-core:1.11.0:tests",
        "org.apache.iceberg:iceberg-api:1.11.0",
        "org.apache.iceberg:iceberg-api:1.11.0:tests",
        "org.apache.iceberg:iceberg-aws:1.11.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.11.0",
        "dev.failsafe:failsafe:3.3.2",
        "org.apache.hadoop:hadoop-client-api:3.4.2",
        "org.apache.hadoop:hadoop-client-runtime:3.4.2",
        "org.eclipse.jetty.ee10:jetty-ee10-servlet:12.1.5",
        "org.eclipse.jetty.compression:jetty-compression-server:12.1.5",
        "org.eclipse.jetty.compression:jetty-compression-gzip:12.1.5",
        "org.xerial:sqlite-jdbc:3.50.3.0",
        "org.junit.jupiter:junit-jupiter:",
        "org.junit.platform:junit-platform-suite:",
        "org.junit.platform:junit-platform-console:",
        "org.assertj:assertj-core:3.27.6",
        "org.awaitility:awaitility:4.3.0",
        "org.mockito:mockito-core:4.11.0",
        "org.slf4j:slf4j-simple:2.0.17",
    ],
};

/// The JDK, or what of JDK and Maven this machine lacks.
pub(super) fn lacks() -> Result<PathBuf> {
    let home = jdk(JDK)?;
    maven()?;
    Ok(home)
}

fn drive(run: &Run) -> Result<()> {
    let (lib, home) = (JARS.ensure()?, jdk(JDK)?);
    // The kit's classes are told by overriding what the catalog supports; there is no property for that.
    let told = run.state.join("told.jar");
    jar(&home, Some(&run.folder().join("LakeTests.java")), &[], &lib, &told)?;
    let classpath = std::env::join_paths([lib.join("*"), told])?;
    let log = std::fs::File::create(run.state.join("kit.log"))?;
    let status = run
        .client(home.join("bin/java"))
        .args(["-Xmx1g", "-XX:TieredStopAtLevel=1", "-Drck.local=false", "-Drck.requires-namespace-create=true"])
        // Tables lie where the catalog puts them: the kit asks for folders of the local disk.
        .arg("-Drck.overrides-requested-location=true")
        .arg("-Drck.supports-names-with-dot=true")
        .arg(format!("-Duri={}/iceberg/", run.server.url))
        .arg(format!("-Dtoken={}", run.server.token))
        .args(["-Dwarehouse=lake", "-cp"])
        .arg(classpath)
        .args(["org.junit.platform.console.ConsoleLauncher", "execute", "--include-engine", "junit-jupiter"])
        .args(["--select-class", "lake.LakeTests$CatalogTests"])
        .args(["--select-class", "lake.LakeTests$ViewCatalogTests"])
        .args(["--include-classname", ".*"])
        .args(["--details=tree", "--disable-banner", "--disable-ansi-colors", "--reports-dir", "reports"])
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log))
        .status()
        .context("cannot start the kit")?;
    // The launcher says with its code that tests failed, which is for the list to judge.
    anyhow::ensure!(matches!(status.code(), Some(0 | 1)), "the kit ended with {status}; see {}", run.state.display());
    Ok(())
}

fn report(run: &Run) -> Result<Vec<Outcome>> {
    let file = run.state.join("reports/TEST-junit-jupiter.xml");
    let text = std::fs::read_to_string(&file).with_context(|| format!("the kit left no {}", file.display()))?;
    Ok(junit::outcomes(&text, |class, name| {
        let area = if class.ends_with("ViewCatalogTests") { "view" } else { "catalog" };
        format!("{area} {}", name.replace("()", ""))
    }))
}

/// The JDK, the kit's jars, in which Apache's REST fixture is, and a jar in `state` with one source file of ours.
pub(crate) fn fixture_jars(source: &Path, state: &Path) -> Result<(PathBuf, PathBuf, PathBuf)> {
    let (home, lib) = (lacks()?, JARS.ensure()?);
    let main = state.join("main.jar");
    jar(&home, Some(source), &[], &lib, &main)?;
    Ok((home, lib, main))
}
