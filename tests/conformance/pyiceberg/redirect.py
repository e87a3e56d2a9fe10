"""A pytest plugin: PyIceberg's own tests, pointed at this lake, with every outcome written down.

The tests name a catalog on port 8181 and an object store on port 9000 with fixed keys. Here the catalog's address is
exchanged, a token is added, and the store's address and keys are left out: the catalog vends them.
"""

import os

# PyIceberg reads these when it is imported: with them its tests run a second time, on a catalog that a user configured.
os.environ["PYICEBERG_TEST_CATALOG"] = "lake"
os.environ["PYICEBERG_CATALOG__LAKE__TYPE"] = "rest"
os.environ["PYICEBERG_CATALOG__LAKE__URI"] = os.environ["LAKE_URL"] + "/iceberg"
os.environ["PYICEBERG_CATALOG__LAKE__TOKEN"] = os.environ["LAKE_TOKEN"]

import pytest  # noqa: E402
from pyiceberg.catalog.rest import RestCatalog  # noqa: E402

THEIRS = "http://localhost:8181"
STORE = ("s3.endpoint", "s3.access-key-id", "s3.secret-access-key")
initialize = RestCatalog.__init__


def redirected(self, name, **properties):
    if properties.get("uri") == THEIRS:
        properties = {key: value for key, value in properties.items() if key not in STORE}
        properties["uri"] = os.environ["LAKE_URL"] + "/iceberg"
        properties["token"] = os.environ["LAKE_TOKEN"]
    initialize(self, name, **properties)


RestCatalog.__init__ = redirected


@pytest.fixture(scope="session", autouse=True)
def default_namespace():
    RestCatalog("rest", uri=THEIRS).create_namespace_if_not_exists("default")


def reason_of(report):
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return crash.message if crash else str(report.longrepr)


def write(verdict, name, reason=""):
    reason = " ".join(reason.split())[:300]
    with open(os.environ["LAKE_OUTCOMES"], "a", encoding="utf-8") as outcomes:
        outcomes.write(f"{verdict}\t{name}\t{reason}\n")


failed = set()


def pytest_runtest_logreport(report):
    name = report.nodeid.removeprefix("tests/integration/")
    if hasattr(report, "wasxfail"):
        write("pass" if report.skipped else "fail", name, "expected to fail, as the test says")
    elif report.failed and name not in failed:
        failed.add(name)
        write("fail", name, f"{report.when}: {reason_of(report)}" if report.when != "call" else reason_of(report))
    elif report.skipped:
        write("skip", name, reason_of(report))
    elif report.when == "call" and report.passed:
        write("pass", name)


def pytest_collectreport(report):
    if report.failed:
        write("fail", report.nodeid, f"cannot be collected: {report.longrepr}")
