"""Stock DuckDB and PyIceberg, connected to a lake as its users connect them.

`LAKE_URL` and `LAKE_TOKEN` say where the lake is. Nothing here knows more of it than its public addresses.
"""

import datetime
import decimal
import json
import os
import urllib.error
import urllib.request
import uuid

import duckdb

URL = os.environ["LAKE_URL"].rstrip("/")
TOKEN = os.environ["LAKE_TOKEN"]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body[:500]}")
        self.status = status
        self.body = body

    def error(self):
        return json.loads(self.body)["error"]


def http(method, path, body=None, token=TOKEN, headers=None):
    """One request; the decoded JSON answer, or None without a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data=data, method=method, headers=headers or {})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            text = response.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.code, error.read().decode(errors="replace")) from None
    return json.loads(text) if text else None


def sql(database, statement, params=None):
    """One statement on a shard."""
    body = {"sql": statement} if params is None else {"sql": statement, "params": params}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return http("POST", f"/v1/databases/{database}/sql", body, headers=key)


def query(statement, **options):
    """One SELECT on the lake."""
    return http("POST", "/v1/query", {"sql": statement, **options})


def after(database, answer):
    """The option that makes a query wait for the transaction of an answer."""
    return {"database": database, "lsn": answer["lsn"]}


def load_table(namespace, table):
    """The catalog's answer for a table, credentials included."""
    delegation = {"X-Iceberg-Access-Delegation": "vended-credentials"}
    return http("GET", f"/iceberg/v1/namespaces/{namespace}/tables/{table}", headers=delegation)


def open_duckdb():
    """DuckDB with the extensions that its wheels bring; nothing is downloaded."""
    from duckdb_extensions import import_extension

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in ("avro", "httpfs", "iceberg"):
        import_extension(name, con=connection)
        connection.execute(f"LOAD {name}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def attach(connection, name="lake", token=TOKEN):
    """ATTACHes the catalog."""
    connection.execute(f"ATTACH 'lake' AS {name} (TYPE iceberg, ENDPOINT '{URL}/iceberg', TOKEN '{token}')")


def create_secret(connection, namespace, table, name="lake_r2"):
    """Lets `r2://` paths of one table through, with the short-lived credentials that the catalog vends for it.

    The scope names `s3://` too: that is how the table's own metadata spells its files.
    """
    config = load_table(namespace, table)["config"]
    host = URL.split("://", 1)[1]
    connection.execute(f"""
        CREATE OR REPLACE SECRET {name} (
            TYPE r2, KEY_ID '{config["s3.access-key-id"]}', SECRET '{config["s3.secret-access-key"]}',
            SESSION_TOKEN '{config["s3.session-token"]}', ENDPOINT '{host}', URL_STYLE 'path', USE_SSL false,
            REGION 'auto',
            SCOPE ['r2://lakehouse/warehouse/{namespace}/{table}', 's3://lakehouse/warehouse/{namespace}/{table}'])
    """)


def scan(namespace, table):
    """A table as the README names it in DuckDB."""
    return f"iceberg_scan('r2://lakehouse/warehouse/{namespace}/{table}')"


def open_pyiceberg():
    """PyIceberg's REST catalog."""
    from pyiceberg.catalog.rest import RestCatalog

    return RestCatalog("lake", uri=f"{URL}/iceberg", token=TOKEN, warehouse="lake")


def plain(value):
    """A value as text that all engines share, so that answers can be compared; None stays None."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case datetime.datetime():
            if value.tzinfo is not None:
                return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            return value.strftime("%Y-%m-%dT%H:%M:%S.%f")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes():
            return "\\x" + value.hex()
        case decimal.Decimal():
            return format(value, "f")
        case list():
            return "{" + ",".join("NULL" if item is None else plain(item) for item in value) + "}"
        case _:
            return str(value)


def plain_rows(rows):
    return [[plain(value) for value in row] for row in rows]
