"""The REST catalog and the storage facade as clients meet them: lists, missing things, credentials of another table."""

import urllib.error
import urllib.request

import pyarrow.fs
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from _cases import equal, refused, run
from _clients import Refused, URL, duckdb, http, load_table, open_duckdb, open_pyiceberg, attach, sql

sql("default", "CREATE TABLE seen (id integer PRIMARY KEY)")
sql("default", "INSERT INTO seen VALUES (1)")
sql("default", "CREATE TABLE hidden (id integer PRIMARY KEY)")
sql("default", "INSERT INTO hidden VALUES (2)")
pyiceberg = open_pyiceberg()


def case_namespaces_and_tables_are_listed():
    equal(("default",) in pyiceberg.list_namespaces(), True)
    names = sorted(name for _, name in pyiceberg.list_tables("default"))
    equal(names, ["hidden", "hidden_history", "seen", "seen_history"])
    equal(pyiceberg.table_exists("default.seen"), True)


def case_what_is_missing_is_said_to_be_missing():
    refused(NoSuchTableError, lambda: pyiceberg.load_table("default.nothing"))
    refused(NoSuchNamespaceError, lambda: pyiceberg.list_tables("nowhere"))
    equal(pyiceberg.table_exists("default.nothing"), False)
    connection = open_duckdb()
    attach(connection)
    error = refused(duckdb.Error, lambda: connection.execute('SELECT * FROM lake."default".nothing').fetchall())
    equal("nothing" in str(error), True, str(error))


def case_another_warehouse_is_refused():
    equal(refused(Refused, lambda: http("GET", "/iceberg/v1/config?warehouse=other")).status, 404)


def case_a_wrong_token_is_refused_everywhere():
    for path in ("/iceberg/v1/config", "/iceberg/v1/namespaces", "/iceberg/v1/namespaces/default/tables/seen", "/v1/status"):
        for token in (None, "x.y.z"):
            equal(refused(Refused, lambda: http("GET", path, token=token)).status, 401, f"{path} with {token}")


def case_a_captured_table_takes_properties_and_tags_of_others():
    table = pyiceberg.load_table("default.seen")
    with table.transaction() as transaction:
        transaction.set_properties(note="from outside")
    table.manage_snapshots().create_tag(table.current_snapshot().snapshot_id, "kept").commit()
    metadata = load_table("default", "seen")["metadata"]
    equal((metadata["properties"].get("note"), metadata["refs"]["kept"]["type"]), ("from outside", "tag"))


def case_a_captured_table_takes_no_rows_of_others():
    table = pyiceberg.load_table("default.seen")
    before = table.scan().to_arrow()
    # Its credentials do not write, so this one does not come to its commit.
    refused(OSError, lambda: table.append(before))
    metadata = load_table("default", "seen")["metadata"]
    last = metadata["snapshots"][-1]
    snapshot = last | {"snapshot-id": 7, "parent-snapshot-id": last["snapshot-id"], "sequence-number": last["sequence-number"] + 1}
    update = {"action": "add-snapshot", "snapshot": snapshot}
    main = {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 7}
    body = {"requirements": [{"type": "assert-table-uuid", "uuid": metadata["table-uuid"]}], "updates": [update, main]}
    error = refused(Refused, lambda: http("POST", "/iceberg/v1/namespaces/default/tables/seen", body))
    equal((error.status, error.error()["type"]), (403, "ForbiddenException"), str(error))
    equal(pyiceberg.load_table("default.seen").scan().to_arrow().num_rows, before.num_rows)


def storage(table):
    config = load_table("default", table)["config"]
    return pyarrow.fs.S3FileSystem(
        access_key=config["s3.access-key-id"], secret_key=config["s3.secret-access-key"],
        session_token=config["s3.session-token"], region=config["s3.region"],
        endpoint_override=config["s3.endpoint"], force_virtual_addressing=False,
    )


def metadata_of(table):
    return load_table("default", table)["metadata-location"].removeprefix("s3://")


def case_credentials_of_one_table_read_that_table_only():
    filesystem = storage("seen")
    with filesystem.open_input_file(metadata_of("seen")) as file:
        equal(b'"table-uuid"' in file.read(), True)
    error = refused(OSError, lambda: filesystem.open_input_file(metadata_of("hidden")).read())
    equal("ACCESS_DENIED" in str(error) or "403" in str(error), True, str(error))


def case_credentials_do_not_write():
    filesystem = storage("seen")
    path = metadata_of("seen").rsplit("/", 1)[0] + "/intruder"

    def write():
        with filesystem.open_output_stream(path) as stream:
            stream.write(b"intruder")

    refused(OSError, write)


def case_storage_without_a_signature_is_closed():
    try:
        urllib.request.urlopen(f"{URL}/{metadata_of('seen')}", timeout=10)
    except urllib.error.HTTPError as error:
        equal(error.code in (401, 403, 404), True, f"{error.code}")
        return
    raise AssertionError("the object was given to somebody without credentials")


run(globals())
