"""Columns that come, go and change their names, as stock engines see them; two databases that feed one namespace."""

from _cases import equal, run
from _clients import after, attach, http, open_duckdb, open_pyiceberg, plain_rows, query, sql

duckdb = open_duckdb()
attach(duckdb)
pyiceberg = open_pyiceberg()


def rows(statement):
    return plain_rows(duckdb.execute(statement).fetchall())


def columns(namespace, table):
    names = [field.name for field in pyiceberg.load_table(f"{namespace}.{table}").schema().fields]
    return [name for name in names if not name.startswith("_")]


def case_an_added_column_is_null_in_older_rows():
    sql("default", "CREATE TABLE people (id integer PRIMARY KEY, name text)")
    sql("default", "INSERT INTO people VALUES (1, 'ada')")
    equal(columns("default", "people"), ["id", "name"])
    sql("default", "ALTER TABLE people ADD COLUMN age integer")
    sql("default", "INSERT INTO people VALUES (2, 'grace', 85)")
    equal(rows('SELECT id, name, age FROM lake."default".people ORDER BY id'), [["1", "ada", None], ["2", "grace", "85"]])
    equal(columns("default", "people"), ["id", "name", "age"])


def case_a_renamed_column_keeps_its_values():
    sql("default", "ALTER TABLE people RENAME COLUMN name TO full_name")
    sql("default", "INSERT INTO people VALUES (3, 'edsger', 72)")
    equal(rows('SELECT full_name FROM lake."default".people ORDER BY id'), [["ada"], ["grace"], ["edsger"]])
    equal(columns("default", "people"), ["id", "full_name", "age"])


def case_a_dropped_column_leaves_the_table_and_stays_in_history():
    sql("default", "ALTER TABLE people DROP COLUMN age")
    last = sql("default", "INSERT INTO people VALUES (4, 'alan')")
    equal(query("SELECT * FROM people ORDER BY id", after=after("default", last))["rows"][3], [4, "alan"])
    equal(columns("default", "people"), ["id", "full_name"])
    equal(rows('SELECT age FROM lake."default".people_history WHERE id = 2'), [["85"]])


def case_a_dropped_table_loses_its_rows_and_keeps_history():
    sql("default", "CREATE TABLE brief (id integer PRIMARY KEY)")
    sql("default", "INSERT INTO brief VALUES (1), (2)")
    equal(rows('SELECT count(*) FROM lake."default".brief'), [["2"]])
    sql("default", "DROP TABLE brief")
    equal(rows('SELECT count(*) FROM lake."default".brief'), [["0"]])
    equal(rows('SELECT count(*) FROM lake."default".brief_history WHERE _operation = \'INSERT\''), [["2"]])


def case_two_databases_feed_one_namespace_and_one_is_migrated():
    for database in ("tenant-a", "tenant-b"):
        http("PUT", f"/v1/databases/{database}", {"namespace": "tenants"})
        sql(database, "CREATE TABLE invoices (id integer PRIMARY KEY, total numeric(10,2), note text)")
        sql(database, f"INSERT INTO invoices VALUES (1, 5, 'of {database}')")
    sql("tenant-a", "ALTER TABLE invoices ADD COLUMN paid boolean")
    sql("tenant-a", "ALTER TABLE invoices RENAME COLUMN note TO remark")
    sql("tenant-a", "INSERT INTO invoices VALUES (2, 7, 'migrated', true)")
    sql("tenant-b", "INSERT INTO invoices VALUES (2, 9, 'not migrated')")
    found = rows("SELECT _shard, id, total, paid FROM lake.tenants.invoices ORDER BY _shard, id")
    equal(found, [
        ["tenant-a", "1", "5.00", None], ["tenant-a", "2", "7.00", "true"],
        ["tenant-b", "1", "5.00", None], ["tenant-b", "2", "9.00", None],
    ])
    names = columns("tenants", "invoices")
    text = "remark" if "remark" in names else "note"
    found = rows(f"SELECT {text} FROM lake.tenants.invoices ORDER BY _shard, id")
    equal(found, [["of tenant-a"], ["migrated"], ["of tenant-b"], ["not migrated"]])


def case_a_contradiction_hurts_only_the_database_that_makes_it():
    http("PUT", "/v1/databases/tenant-c", {"namespace": "tenants"})
    sql("tenant-c", "CREATE TABLE invoices (id integer PRIMARY KEY, total boolean)")
    sql("tenant-c", "CREATE TABLE notes (id integer PRIMARY KEY)")
    sql("tenant-c", "INSERT INTO invoices VALUES (1, true)")
    last = sql("tenant-c", "INSERT INTO notes VALUES (1)")
    query("SELECT 1", after=after("tenant-c", last))
    equal(rows("SELECT id FROM lake.tenants.notes"), [["1"]])
    equal(rows("SELECT count(*) FROM lake.tenants.invoices"), [["4"]])
    status = http("GET", "/v1/status")
    if "invoices" not in str(status.get("lake", status)):
        raise AssertionError(f"the status does not name the table: {str(status)[:2000]}")


run(globals())
