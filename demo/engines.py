"""Stock DuckDB and PyIceberg for the demo: one JSON request a line in, one JSON answer a line out.

A request is `{"engine": "duckdb" | "scan" | "pyiceberg", "sql": "… {flights} …", "tables": ["flights"]}`; each
`{table}` becomes what that engine calls it. An answer is `{"rows": [[…]]}` with values as text, or `{"error": "…"}`.
"""

import json
import pathlib
import signal
import sys

# Ctrl-C is for the demo, which then closes this process's input.
signal.signal(signal.SIGINT, signal.SIG_IGN)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "conformance"))

from _clients import attach, create_secret, duckdb, open_duckdb, open_pyiceberg, plain_rows, scan  # noqa: E402

NAMESPACE = "default"

connection = open_duckdb()
attach(connection)
catalog = open_pyiceberg()


def duckdb_attached(request):
    names = {table: f'lake."{NAMESPACE}".{table}' for table in request["tables"]}
    return connection.execute(request["sql"].format_map(names)).fetchall()


def duckdb_scan(request):
    for table in request["tables"]:
        create_secret(connection, NAMESPACE, table, name=f"r2_{table}")
    names = {table: scan(NAMESPACE, table) for table in request["tables"]}
    return connection.execute(request["sql"].format_map(names)).fetchall()


def pyiceberg(request):
    # PyIceberg reads; a DuckDB that knows nothing of the lake groups what it has read.
    local = duckdb.connect()
    local.execute("SET TimeZone = 'UTC'")
    for table in request["tables"]:
        local.register(table, catalog.load_table(f"{NAMESPACE}.{table}").scan().to_arrow())
    return local.execute(request["sql"].format_map({table: table for table in request["tables"]})).fetchall()


ENGINES = {"duckdb": duckdb_attached, "scan": duckdb_scan, "pyiceberg": pyiceberg}

print(json.dumps({"ready": f"DuckDB {duckdb.__version__}"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"rows": plain_rows(ENGINES[request["engine"]](request))}
    except Exception as error:  # Whatever an engine raises belongs into the comparison, not into a traceback.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
