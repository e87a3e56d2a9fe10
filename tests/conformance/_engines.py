"""Trino and Spark, started for a test and ended with it. Nothing about storage credentials is configured on either."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.request

from _clients import TOKEN, URL

STATE = pathlib.Path(os.environ["LAKE_STATE"])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


TRINO_JVM = """
-server -Xmx1G -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError -XX:TieredStopAtLevel=1 -Djdk.attach.allowAttachSelf=true
-Djdk.nio.maxCachedBufferSize=2000000 --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
--sun-misc-unsafe-memory-access=allow -Dfile.encoding=UTF-8 -Duser.timezone=UTC
-XX:+AutoCreateSharedArchive
""".split()

TRINO_CONFIG = """
coordinator=true
node-scheduler.include-coordinator=true
http-server.http.port={port}
discovery.uri=http://127.0.0.1:{port}
catalog.management=dynamic
query.max-memory=256MB
query.max-memory-per-node=256MB
memory.heap-headroom-per-node=256MB
web-ui.enabled=false
"""


@contextlib.contextmanager
def trino():
    """A Trino server with no catalog; gives a function that opens a connection."""
    jdk, lib, plugin = (pathlib.Path(os.environ[f"LAKE_TRINO_{name}"]) for name in ("JDK", "LIB", "PLUGIN"))
    folder, port = STATE / "trino", free_port()
    (folder / "etc").mkdir(parents=True)
    (folder / "plugin").mkdir()
    (folder / "plugin/iceberg").symlink_to(plugin)
    (folder / "etc/config.properties").write_text(TRINO_CONFIG.format(port=port))
    (folder / "etc/log.properties").write_text("io.trino=WARN\n")
    node = {"environment": "test", "id": "test", "data-dir": str(folder / "data"), "bind-ip": "127.0.0.1",
            "internal-address": "127.0.0.1", "external-address": "127.0.0.1"}
    command = [jdk / "bin/java", *TRINO_JVM, f"-XX:SharedArchiveFile={lib.parent / 'trino.jsa'}",
               "-Dconfig=etc/config.properties", "-Dlog.levels-file=etc/log.properties",
               *(f"-Dnode.{name}={value}" for name, value in node.items()), "-cp", f"{lib}/*", "StartTrino", "483"]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_for_trino(server, port, folder / "server.log")
        yield lambda: connect_trino(port)
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_for_trino(server, port, log):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"Trino ended with {server.returncode}: {log.read_text(errors='replace')[-1500:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=5) as answer:
                if not json.load(answer)["starting"]:
                    return
        except OSError:
            pass  # It does not listen so soon.
        time.sleep(0.3)
    raise RuntimeError("Trino did not start in three minutes")


def connect_trino(port):
    from trino.dbapi import connect

    return connect(host="127.0.0.1", port=port, user="test", http_scheme="http")


def trino_catalog(name, endpoint=URL):
    """The statement that attaches the lake."""
    properties = {
        "iceberg.catalog.type": "rest", "iceberg.rest-catalog.uri": endpoint + "/iceberg",
        "iceberg.rest-catalog.warehouse": "lake", "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.token": TOKEN, "iceberg.rest-catalog.vended-credentials-enabled": "true",
        "iceberg.rest-catalog.nested-namespace-enabled": "true", "fs.native-s3.enabled": "true",
        # Trino takes no address of a store from a catalog.
        "s3.endpoint": URL, "s3.region": "auto", "s3.path-style-access": "true",
        "iceberg.expire-snapshots.min-retention": "0s",
        "iceberg.remove-orphan-files.min-retention": "0s", "iceberg.allowed-extra-properties": "*",
    }
    listed = ", ".join(f"\"{key}\" = '{value}'" for key, value in properties.items())
    return f"CREATE CATALOG {name} USING iceberg WITH ({listed})"


def spark(catalogs):
    """A session with these catalogs: their names, and settings beyond address, token and warehouse; None takes one away."""
    os.environ["JAVA_HOME"] = os.environ["LAKE_SPARK_JDK"]
    from pyspark.sql import SparkSession

    jars = ",".join(str(jar) for jar in sorted(pathlib.Path(os.environ["LAKE_SPARK_JARS"]).glob("*.jar")))
    builder = SparkSession.builder.master("local[2]").appName("conformance")
    settings = {
        "spark.jars": jars, "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false", "spark.sql.session.timeZone": "UTC", "spark.driver.memory": "768m",
        "spark.sql.shuffle.partitions": "2", "spark.local.dir": str(STATE / "spark"),
        "spark.sql.warehouse.dir": str(STATE / "spark-warehouse"), "spark.log.level": "ERROR",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    }
    for name, extra in catalogs.items():
        own = {"type": "rest", "uri": URL + "/iceberg", "warehouse": "lake", "token": TOKEN,
               "header.X-Iceberg-Access-Delegation": "vended-credentials", "rest.client.max-retries": "1"}
        settings[f"spark.sql.catalog.{name}"] = "org.apache.iceberg.spark.SparkCatalog"
        own = {key: value for key, value in (own | extra).items() if value is not None}
        settings.update({f"spark.sql.catalog.{name}.{key}": value for key, value in own.items()})
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()
