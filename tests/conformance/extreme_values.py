"""Every type's extreme values travel from the shard through Parquet to every engine unchanged."""

import datetime
import decimal
import json
import math
import struct
import uuid

from _cases import equal, run
from _clients import after, attach, create_secret, open_duckdb, open_pyiceberg, query, scan, sql


def text(value):
    return value


def integer(value):
    return str(int(value))


def boolean(value):
    return {"true": True, "false": False}.get(value, value)


def double(value):
    value = float(value)
    return "nan" if math.isnan(value) else value.hex()


def real(value):
    value = float(value)
    # An engine may hand out the four bytes as a double, or print the shortest text that reads back to them.
    return "nan" if math.isnan(value) else struct.unpack("f", struct.pack("f", value))[0].hex()


def numeric(value):
    return format(decimal.Decimal(str(value)), "f")


def date(value):
    return value if isinstance(value, str) else value.isoformat()


def time(value):
    return datetime.time.fromisoformat(value).isoformat("microseconds") if isinstance(value, str) else value.isoformat("microseconds")


def timestamp(value):
    value = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    return value.isoformat("T", "microseconds")


def timestamptz(value):
    value = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
    return value.astimezone(datetime.UTC).isoformat("T", "microseconds")


def uuid_text(value):
    return str(uuid.UUID(bytes=value)) if isinstance(value, bytes) else str(value)


def bytea(value):
    return "\\x" + bytes(value).hex() if not isinstance(value, str) else value


def jsonb(value):
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)


def array(value):
    if isinstance(value, str):
        value = [None if item == "NULL" else int(item) for item in value.strip("{}").split(",") if item]
    return list(value)


# Column, type in the shard, how an engine's value becomes comparable, values as text input.
COLUMNS = [
    ("truth", "boolean", boolean, ["true", "false"]),
    ("small", "smallint", integer, ["-32768", "32767"]),
    ("whole", "integer", integer, ["-2147483648", "2147483647"]),
    ("big", "bigint", integer, ["-9223372036854775808", "9223372036854775807", "9007199254740993"]),
    ("single", "real", real, ["NaN", "Infinity", "-Infinity", "-0", "3.4028235e38", "1.1754944e-38", "0.1"]),
    ("dbl", "double precision", double, ["NaN", "Infinity", "-Infinity", "-0", "1.7976931348623157e308", "5e-324", "0.1"]),
    ("digits", "numeric(38,0)", numeric, ["9" * 38, "-" + "9" * 38, "0"]),
    ("fraction", "numeric(38,38)", numeric, ["0." + "9" * 38, "-0." + "0" * 37 + "1"]),
    ("price", "numeric(12,2)", numeric, ["9999999999.99", "-0.01", "0.00"]),
    ("bare", "numeric", numeric, ["9" * 29 + ".999999999", "-1.000000001"]),
    ("day", "date", date, ["0001-01-01", "9999-12-31", "1969-12-31", "2000-02-29"]),
    ("clock", "time", time, ["00:00:00", "23:59:59.999999"]),
    ("moment", "timestamp", timestamp, ["0001-01-01 00:00:00", "9999-12-31 23:59:59.999999", "1969-12-31 23:59:59.999999"]),
    ("instant", "timestamptz", timestamptz, ["0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "1970-01-01 00:00:00.000001+00"]),
    ("ident", "uuid", uuid_text, ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("words", "text", text, ["", "NULL", "\U0001d11e\U0001f600 ü \\ ' \" \t\n", "x" * 1_000_000]),
    ("short", "varchar(4)", text, ["", "\U0001f600\U0001f600\U0001f600\U0001f600"]),
    ("raw", "bytea", bytea, ["\\x", "\\x00", "\\x00ff00", "\\x" + "00" * 1000]),
    ("document", "jsonb", jsonb, ["{}", '{"a": [1, 2.5, "\U0001f600", null, true]}', "[]", "12"]),
    ("list", "integer[]", array, ["{}", "{1,NULL,-2147483648}"]),
]

duckdb = open_duckdb()
attach(duckdb)
pyiceberg = open_pyiceberg()


def make(name, declaration, values):
    """A table of one column: NULL and each value, in the order of their keys; and the transaction that wrote it."""
    table = f"extreme_{name}"
    sql("default", f"CREATE TABLE {table} (id integer PRIMARY KEY, {name} {declaration})")
    last = sql("default", f"INSERT INTO {table} VALUES (0, NULL)")
    for key, value in enumerate(values, 1):
        last = sql("default", f"INSERT INTO {table} VALUES ($1, $2)", [key, value])
    return table, last


def comparable(rows, convert):
    return [None if value is None else convert(value) for _, value in sorted((tuple(row) for row in rows), key=lambda row: row[0])]


def check(name, declaration, convert, values):
    table, last = make(name, declaration, values)
    select = f"SELECT id, {name} FROM"
    shard = comparable(sql("default", f"{select} {table}")["rows"], convert)
    equal(shard, [None] + [convert(value) for value in values], "shard")
    equal(comparable(query(f"{select} {table}", after=after("default", last))["rows"], convert), shard, "our SQL, tail")
    equal(comparable(duckdb.execute(f'{select} lake."default".{table}').fetchall(), convert), shard, "DuckDB, ATTACH")
    create_secret(duckdb, "default", table)
    equal(comparable(duckdb.execute(f"{select} {scan('default', table)}").fetchall(), convert), shard, "DuckDB, iceberg_scan")
    arrow = pyiceberg.load_table(f"default.{table}").scan(selected_fields=("id", name)).to_arrow()
    equal(comparable([(row["id"], row[name]) for row in arrow.to_pylist()], convert), shard, "PyIceberg")
    equal(comparable(query(f"{select} {table}")["rows"], convert), shard, "our SQL, snapshot")
    history = duckdb.execute(f'{select} lake."default".{table}_history').fetchall()
    equal(comparable(history, convert), shard, "DuckDB, history")


def add_case(name, declaration, convert, values):
    def case():
        check(name, declaration, convert, values)

    case.__name__ = f"case_{declaration}_is_unchanged"
    globals()[case.__name__] = case


for column in COLUMNS:
    add_case(*column)

run(globals())
