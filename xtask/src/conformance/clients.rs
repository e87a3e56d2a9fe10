//! The suites whose tests are programs of `tests/conformance`, or a client's own tests under its own runner.
//!
//! Each program finds the lake in its environment and appends to `LAKE_OUTCOMES`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::jvm::{Jars, jar, jdk, maven};
use super::{Run, Suite};
use crate::e2e::client_python;
use crate::paths;
use crate::process::{cargo, progress, run, run_quiet, version_of};
use crate::toolchain::node;
use crate::toolchain::python::{self, Environment};

pub(super) const PYICEBERG: Suite = Suite {
    name: "pyiceberg",
    client: "PyIceberg 0.12.0",
    tests: "its own integration tests for REST catalogs",
    install: || pyiceberg_tests().map(drop),
    drive: |run| {
        let mut client = run.client(PYICEBERG_TESTS.ensure()?.join("bin/python"));
        client
            .args(["-m", "pytest", "-p", "redirect", "-p", "no:cacheprovider", "-m", "", "--quiet", "--tb=short"])
            .args(["-k", "not hive and not Hive and not memory_catalog and not sqlite", "--timeout=60"])
            .args(PYICEBERG_FILES.map(|file| format!("tests/integration/{file}.py")))
            .env("PYTHONPATH", run.folder())
            .current_dir(pyiceberg_tests()?);
        finish(run, client, &[0, 1])
    },
    report: None,
};

pub(super) const DUCKDB: Suite = Suite {
    name: "duckdb",
    client: "DuckDB 1.5.5",
    tests: "of this repository",
    install: || client_python().map(drop),
    drive: |run| {
        let environment = python::CLIENTS.ensure()?;
        let mut client = run.client(environment.join("bin/python"));
        client
            .arg(run.folder().join("writes.py"))
            .env("PYTHONPATH", programs())
            .env("HOME", python::home(&environment)?);
        finish(run, client, &[0, 1])
    },
    report: None,
};

pub(super) const SPARK: Suite = Suite {
    name: "spark",
    client: "Spark 4.1.4 with Iceberg 1.12.0",
    tests: "of this repository",
    install: || spark().map(drop),
    drive: |run| drive_engine(run, "spark.py", &spark()?),
    report: None,
};

pub(super) const TRINO: Suite = Suite {
    name: "trino",
    client: "Trino 483",
    tests: "of this repository",
    install: || trino().map(drop),
    drive: |run| drive_engine(run, "trino_sql.py", &trino()?),
    report: None,
};

pub(super) const MIXED: Suite = Suite {
    name: "mixed",
    client: "DuckDB 1.5.5, PyIceberg 0.12.0, Spark 4.1.4 and Trino 483 on one table",
    tests: "of this repository",
    install: || spark().and_then(|_| trino()).map(drop),
    drive: |run| {
        let mut variables = spark()?;
        variables.extend(trino()?);
        drive_engine(run, "mixed.py", &variables)
    },
    report: None,
};

pub(super) const ICEBERG_REST: Suite = Suite {
    name: "iceberg-rest",
    client: "npm `iceberg-js` 1.0.0, Go `iceberg-go` 0.7.0, the crate `iceberg-catalog-rest` 0.10.1",
    tests: "of this repository",
    install: || go().and_then(|()| client_python()).map(drop),
    drive: drive_libraries,
    report: None,
};

/// Where PyIceberg's own tests run; not the environment of the other tests, whose versions it could move.
const PYICEBERG_TESTS: Environment = Environment {
    name: "pyiceberg-tests",
    packages: &[
        "pyiceberg[pyarrow,sql-sqlite,duckdb]==0.12.0",
        "pyiceberg-core==0.10.1",
        "python-snappy",
        "pytest==9.1.1",
        "pytest-timeout",
        "pytest-lazy-fixtures==1.4.1",
        "requests-mock==1.12.1",
        "thrift",
        "moto[s3,glue,dynamodb]==5.2.5",
        "fastavro==1.12.2",
    ],
};

const PYICEBERG_FILES: [&str; 4] =
    ["test_catalog", "test_rest_catalog", "test_rest_schema", "test_statistics_operations"];

/// The clients and the big engines in one environment, so that one program can drive several.
const ENGINES: Environment = Environment {
    name: "engines",
    packages: &[
        "duckdb==1.5.5",
        "duckdb-extensions==1.5.5",
        "duckdb-extension-iceberg==1.5.5",
        "duckdb-extension-httpfs==1.5.5",
        "duckdb-extension-avro==1.5.5",
        "pyiceberg[pyarrow,s3fs]==0.12.0",
        python::FSSPEC[0],
        python::FSSPEC[1],
        "pyiceberg-core==0.10.1",
        "pyspark==4.1.4",
        "pytz",
        "trino==0.340.0",
    ],
};

const SPARK_JARS: Jars = Jars {
    name: "spark-4.1-iceberg-1.12.0",
    imports: &[],
    artifacts: &[
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
        "org.apache.iceberg:iceberg-aws-bundle:1.12.0",
    ],
};

/// Maven has no server of this version to download, but every part of one.
const TRINO_JARS: Jars =
    Jars { name: "trino-483", imports: &["io.trino:trino-root:483"], artifacts: &["io.trino:trino-main:"] };
const TRINO_PLUGIN: Jars =
    Jars { name: "trino-483-iceberg", imports: &["io.trino:trino-root:483"], artifacts: &["io.trino:trino-iceberg:"] };

/// What a program is told besides the lake.
type Variables = Vec<(&'static str, PathBuf)>;

fn programs() -> PathBuf {
    paths::root().join("tests/conformance")
}

/// Runs to the end; the codes are those with which a client says that tests passed or failed.
fn finish(run: &Run, mut client: Command, codes: &[i32]) -> Result<()> {
    // Appended: a suite can have several clients.
    let log = std::fs::OpenOptions::new().create(true).append(true).open(run.state.join("client.log"))?;
    client.stdin(Stdio::null()).stdout(Stdio::from(log.try_clone()?)).stderr(Stdio::from(log));
    let status = client.status().with_context(|| format!("cannot start the client of {}", run.suite))?;
    anyhow::ensure!(
        status.code().is_some_and(|code| codes.contains(&code)),
        "the client ended with {status}; see {}",
        run.state.join("client.log").display()
    );
    Ok(())
}

/// PyIceberg's tests are in its source package only. They run in a folder without its modules, so that the installed
/// ones are tested.
fn pyiceberg_tests() -> Result<PathBuf> {
    let environment = PYICEBERG_TESTS.ensure()?;
    let folder = environment.join("tests-0.12.0");
    if folder.join("tests").exists() {
        return Ok(folder);
    }
    progress("fetching PyIceberg's tests");
    let new = environment.join("tests-new");
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    std::fs::create_dir_all(&new)?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pyiceberg", "pyiceberg==0.12.0"]);
    run_quiet(pip.current_dir(&new))?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--gzip", "--strip-components=1", "--file", "pyiceberg-0.12.0.tar.gz"]);
    run_quiet(tar.args(["pyiceberg-0.12.0/tests", "pyiceberg-0.12.0/pyproject.toml"]).current_dir(&new))?;
    std::fs::rename(&new, &folder)?;
    Ok(folder)
}

/// What Spark needs: a JDK that it starts on, and Iceberg's jars, the names as it takes them.
fn spark() -> Result<Variables> {
    let home = jdk(17)?;
    maven()?;
    ENGINES.ensure()?;
    Ok(vec![("LAKE_SPARK_JDK", home), ("LAKE_SPARK_JARS", SPARK_JARS.ensure()?)])
}

/// A folder from which Trino starts.
fn trino() -> Result<Variables> {
    let home = jdk(25)?;
    if !home.join("jmods/jdk.incubator.vector.jmod").exists() {
        let modules = Command::new(home.join("bin/java")).arg("--list-modules").output()?;
        if !String::from_utf8_lossy(&modules.stdout).contains("jdk.incubator.vector") {
            bail!("the JDK 25 in {} lacks jdk.incubator.vector, which Trino needs", home.display());
        }
    }
    maven()?;
    ENGINES.ensure()?;
    let (lib, plugin) = (TRINO_JARS.ensure()?, TRINO_PLUGIN.ensure()?);
    // The published jars have no main class, and the plugin's lacks the file by which it is found.
    let main = lib.join("lake-main.jar");
    if !main.exists() {
        jar(&home, Some(&programs().join("trino/StartTrino.java")), &[], &lib, &main)?;
    }
    let service = plugin.join("lake-service.jar");
    if !service.exists() {
        let file = ("META-INF/services/io.trino.spi.Plugin", "io.trino.plugin.iceberg.IcebergPlugin\n");
        jar(&home, None, &[file], &lib, &service)?;
    }
    Ok(vec![("LAKE_TRINO_JDK", home), ("LAKE_TRINO_LIB", lib), ("LAKE_TRINO_PLUGIN", plugin)])
}

fn drive_engine(run: &Run, program: &str, variables: &Variables) -> Result<()> {
    let environment = ENGINES.ensure()?;
    let mut client = run.client(environment.join("bin/python"));
    client
        .arg(run.folder().join(program))
        .env("PYTHONPATH", programs())
        .env("HOME", python::home(&environment)?)
        .envs(variables.iter().map(|(name, path)| (*name, path)));
    finish(run, client, &[0, 1])
}

/// The Go of this machine.
fn go() -> Result<()> {
    let said = Command::new("go").arg("version").output().ok().filter(|output| output.status.success());
    match said {
        Some(_) => Ok(()),
        None => bail!("no Go: `go` 1.25.9 or newer is looked for on PATH"),
    }
}

fn drive_libraries(suite: &Run) -> Result<()> {
    let cache = paths::cache().join("iceberg-rest");
    std::fs::create_dir_all(&cache)?;
    // npm: in a folder of the cache, from which the program takes it.
    let packages = cache.join("npm");
    if !packages.join("node_modules/iceberg-js").exists() {
        std::fs::create_dir_all(&packages)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]);
        run_quiet(npm.arg(&packages).arg("iceberg-js@1.0.0"))?;
    }
    let node = version_of("node").and(node::ensure().ok()).context("no Node")?;
    let mut client = behind_faults(suite, &node)?;
    client.arg(suite.folder().join("iceberg_js.mjs")).env("LAKE_NPM", &packages);
    finish(suite, client, &[0, 1])?;
    let program = cache.join("iceberg-go");
    let mut build = Command::new("go");
    run(build.args(["build", "-o"]).arg(&program).arg(".").current_dir(suite.folder().join("go")))?;
    finish(suite, behind_faults(suite, &program)?, &[0, 1])?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--locked", "--manifest-path"]).arg(suite.folder().join("rust/Cargo.toml"));
    run(build.env("CARGO_TARGET_DIR", cache.join("target")))?;
    finish(suite, behind_faults(suite, &cache.join("target/debug/iceberg-rest-client"))?, &[0, 1])
}

/// A program with a proxy that repeats requests and drops answers next to it; it finds both in its environment.
fn behind_faults(suite: &Run, program: &Path) -> Result<Command> {
    let mut client = suite.client(python::CLIENTS.ensure()?.join("bin/python"));
    client.arg(suite.folder().join("faults.py")).arg(program).env("PYTHONPATH", programs());
    Ok(client)
}
