"""DuckDB owns tables of this catalog: it makes, fills, changes and drops them; answers get lost on the way."""

import threading

from _cases import equal, refused, run
from _clients import URL, attach, http, load_table, open_duckdb, open_pyiceberg, plain_rows, sql
from _clients import duckdb as module
from _faults import Proxy

duckdb = open_duckdb()
attach(duckdb)
proxy = Proxy(URL)


def rows(statement, connection=duckdb):
    return plain_rows(connection.execute(statement).fetchall())


def do(*statements, connection=duckdb):
    for statement in statements:
        connection.execute(statement)


def another(endpoint=URL):
    """A second DuckDB, which has nothing in its memory."""
    connection = open_duckdb()
    attach_to(connection, endpoint)
    return connection


def attach_to(connection, endpoint):
    from _clients import TOKEN

    connection.execute(f"ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '{endpoint}/iceberg', TOKEN '{TOKEN}')")


def case_a_schema_is_made_and_listed():
    do("CREATE SCHEMA lake.duck")
    names = [row[0] for row in rows("SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'lake'")]
    equal("duck" in names, True, str(names))


def case_a_table_is_made_and_filled():
    do("CREATE TABLE lake.duck.plain (id BIGINT, name VARCHAR)")
    do("INSERT INTO lake.duck.plain VALUES (1, 'ada'), (2, NULL)", "INSERT INTO lake.duck.plain VALUES (3, 'grace')")
    wanted = [["1", "ada"], ["2", None], ["3", "grace"]]
    equal(rows("SELECT * FROM lake.duck.plain ORDER BY id"), wanted)
    equal(rows("SELECT * FROM lake.duck.plain ORDER BY id", another()), wanted)


def case_a_table_is_made_from_a_query():
    do("CREATE TABLE lake.duck.squares AS SELECT range AS n, range * range AS square FROM range(10000)")
    equal(rows("SELECT count(*), sum(square) FROM lake.duck.squares", another()), [["10000", "333283335000"]])


def case_every_type_comes_back():
    do("""CREATE TABLE lake.duck.kinds AS SELECT true AS b, 1::INTEGER AS i, 2::BIGINT AS l, 0.5::FLOAT AS f,
          0.25::DOUBLE AS d, 12.34::DECIMAL(9,2) AS n, DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 03:04:05.678901' AS at,
          TIMESTAMPTZ '2026-01-02 03:04:05+00' AS zoned, 'x' AS s, '\\xAA'::BLOB AS bytes,
          '00000000-0000-0000-0000-000000000001'::UUID AS u, [1, 2] AS list, {'a': 1, 'b': 'z'} AS struct,
          MAP {'k': 1} AS map""")
    found = rows("SELECT * FROM lake.duck.kinds", another())[0]
    equal(found[:12], ["true", "1", "2", "0.5", "0.25", "12.34", "2026-01-02", "2026-01-02T03:04:05.678901",
                       "2026-01-02T03:04:05.000000Z", "x", "\\xaa", "00000000-0000-0000-0000-000000000001"])
    equal(rows("SELECT list[2], struct.b, map['k'] FROM lake.duck.kinds"), [["2", "z", "1"]])


def case_rows_are_updated_and_deleted():
    do("CREATE TABLE lake.duck.changed AS SELECT range AS id, 'old' AS name FROM range(100)",
       "UPDATE lake.duck.changed SET name = 'new' WHERE id % 10 = 0", "DELETE FROM lake.duck.changed WHERE id >= 50")
    wanted = [["new", "5"], ["old", "45"]]
    equal(rows("SELECT name, count(*) FROM lake.duck.changed GROUP BY 1 ORDER BY 1", another()), wanted)


def case_rows_are_merged():
    do("CREATE TABLE lake.duck.merged AS SELECT range AS id, range AS v FROM range(4)",
       """MERGE INTO lake.duck.merged AS t USING (SELECT range AS id FROM range(2, 6)) AS s ON t.id = s.id
          WHEN MATCHED THEN UPDATE SET v = 100 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 200)""")
    wanted = [["0", "0"], ["1", "1"], ["2", "100"], ["3", "100"], ["4", "200"], ["5", "200"]]
    equal(rows("SELECT * FROM lake.duck.merged ORDER BY id", another()), wanted)


def case_columns_come_change_and_go():
    do("CREATE TABLE lake.duck.altered AS SELECT 1::INTEGER AS id, 'x' AS name",
       "ALTER TABLE lake.duck.altered ADD COLUMN age INTEGER", "ALTER TABLE lake.duck.altered RENAME COLUMN name TO title",
       "ALTER TABLE lake.duck.altered ALTER COLUMN id TYPE BIGINT", "INSERT INTO lake.duck.altered VALUES (5000000000, 'y', 7)")
    equal(rows("SELECT id, title, age FROM lake.duck.altered ORDER BY id", another()), [["1", "x", None], ["5000000000", "y", "7"]])
    do("ALTER TABLE lake.duck.altered DROP COLUMN age")
    equal(rows("SELECT * FROM lake.duck.altered ORDER BY id", another()), [["1", "x"], ["5000000000", "y"]])


def case_properties_are_set_and_removed():
    do("CREATE TABLE lake.duck.described AS SELECT 1 AS id",
       "CALL set_iceberg_table_properties('lake.duck.described', {'note': 'seen', 'other': 'kept'})")
    equal(load_table("duck", "described")["metadata"]["properties"].get("note"), "seen")
    do("CALL remove_iceberg_table_properties('lake.duck.described', ['note'])")
    properties = load_table("duck", "described")["metadata"]["properties"]
    equal((properties.get("note"), properties.get("other")), (None, "kept"))


def case_a_table_is_partitioned():
    do("CREATE TABLE lake.duck.parted (id BIGINT, region VARCHAR) PARTITIONED BY (region)",
       "INSERT INTO lake.duck.parted SELECT range, CASE WHEN range % 2 = 0 THEN 'a' ELSE 'b' END FROM range(100)",
       "DELETE FROM lake.duck.parted WHERE region = 'a' AND id < 50")
    equal(rows("SELECT region, count(*) FROM lake.duck.parted GROUP BY 1 ORDER BY 1", another()), [["a", "25"], ["b", "50"]])


def case_a_table_of_format_3_has_deletion_vectors():
    do("CREATE TABLE lake.duck.third (id BIGINT, v BIGINT) WITH ('format-version' = '3')",
       "INSERT INTO lake.duck.third SELECT range, range FROM range(1000)", "DELETE FROM lake.duck.third WHERE id % 3 = 0",
       "UPDATE lake.duck.third SET v = 0 WHERE id = 1")
    equal(load_table("duck", "third")["metadata"]["format-version"], 3)
    equal(rows("SELECT count(*), sum(v) FROM lake.duck.third", another()), [["666", "332666"]])
    equal(open_pyiceberg().load_table("duck.third").scan().to_arrow().num_rows, 666)


def case_the_past_is_read_by_snapshot_and_by_time():
    do("CREATE TABLE lake.duck.past AS SELECT 1 AS id")
    first = load_table("duck", "past")["metadata"]
    do("INSERT INTO lake.duck.past VALUES (2)", "DELETE FROM lake.duck.past WHERE id = 1")
    id, millis = first["current-snapshot-id"], first["snapshots"][-1]["timestamp-ms"]
    equal(rows(f"SELECT * FROM lake.duck.past AT (VERSION => {id})"), [["1"]])
    equal(rows(f"SELECT * FROM lake.duck.past AT (TIMESTAMP => make_timestamp({millis} * 1000))"), [["1"]])
    equal(rows("SELECT * FROM lake.duck.past"), [["2"]])


def case_a_transaction_over_two_tables_is_done_or_not():
    do("CREATE TABLE lake.duck.one AS SELECT 1 AS id", "CREATE TABLE lake.duck.two AS SELECT 1 AS id")
    do("BEGIN", "INSERT INTO lake.duck.one VALUES (2)", "DELETE FROM lake.duck.two", "COMMIT")
    both = "SELECT (SELECT count(*) FROM lake.duck.one), (SELECT count(*) FROM lake.duck.two)"
    equal(rows(both, another()), [["2", "0"]])
    do("BEGIN", "INSERT INTO lake.duck.one VALUES (3)", "INSERT INTO lake.duck.two VALUES (3)", "ROLLBACK")
    equal(rows(both, another()), [["2", "0"]])


def case_a_conflict_in_one_of_two_tables_changes_neither():
    do("CREATE TABLE lake.duck.left AS SELECT 1 AS id", "CREATE TABLE lake.duck.right AS SELECT 1 AS id")
    late = another()
    do("BEGIN", "INSERT INTO lake.duck.left VALUES (2)", "UPDATE lake.duck.right SET id = 5", connection=late)
    do("DELETE FROM lake.duck.right")
    refused(module.Error, lambda: late.execute("COMMIT"))
    equal(rows("SELECT count(*) FROM lake.duck.left", another()), [["1"]])
    equal(rows("SELECT count(*) FROM lake.duck.right", another()), [["0"]])


def case_a_table_is_renamed_and_dropped():
    do("CREATE TABLE lake.duck.before AS SELECT 1 AS id", "ALTER TABLE lake.duck.before RENAME TO after")
    connection = another()
    equal(rows("SELECT * FROM lake.duck.after", connection), [["1"]])
    refused(module.Error, lambda: connection.execute("SELECT * FROM lake.duck.before"))
    do("DROP TABLE lake.duck.after", connection=connection)
    refused(module.Error, lambda: another().execute("SELECT * FROM lake.duck.after"))


def case_a_schema_with_tables_is_kept_and_an_empty_one_dropped():
    do("CREATE SCHEMA lake.full_one", "CREATE TABLE lake.full_one.t AS SELECT 1 AS id")
    connection = another()
    refused(module.Error, lambda: connection.execute("DROP SCHEMA lake.full_one"))
    do("DROP TABLE lake.full_one.t", "DROP SCHEMA lake.full_one", connection=connection)
    equal("full_one" in [row[0] for row in rows("SELECT schema_name FROM duckdb_schemas()", another())], False)


def case_pyiceberg_reads_and_extends_what_duckdb_wrote():
    import pyarrow

    do("CREATE TABLE lake.duck.shared AS SELECT range::BIGINT AS id FROM range(3)")
    table = open_pyiceberg().load_table("duck.shared")
    table.append(pyarrow.table({"id": pyarrow.array([10], pyarrow.int64())}))
    table.delete("id = 0")
    equal(rows("SELECT id FROM lake.duck.shared ORDER BY id", another()), [["1"], ["2"], ["10"]])


def case_a_captured_table_takes_no_foreign_rows():
    sql("default", "CREATE TABLE owned (id integer PRIMARY KEY)")
    sql("default", "INSERT INTO owned VALUES (1)")
    for statement in ('INSERT INTO lake."default".owned (id) VALUES (2)', 'DELETE FROM lake."default".owned'):
        connection = another()
        refused(module.Error, lambda: connection.execute(statement))
    equal(rows('SELECT id FROM lake."default".owned', another()), [["1"]])


def under(fault, table, path="transactions/commit"):
    """One insert whose commit meets a fault; what DuckDB says, and the rows that are there for others."""
    do(f"CREATE TABLE lake.duck.{table} AS SELECT 0 AS id")
    connection = another(proxy.url)
    proxy.plan(fault, path=path)
    said = None
    try:
        connection.execute(f"INSERT INTO lake.duck.{table} VALUES (1)")
    except module.Error as error:
        said = str(error)
    equal(proxy.met(), 0, "the fault did not come to pass")
    return said, rows(f"SELECT id FROM lake.duck.{table} ORDER BY id", another())


def check_done(fault, table):
    equal(under(fault, table), (None, [["0"], ["1"]]), fault)


def case_a_commit_whose_answer_is_dropped_is_there_once():
    check_done("drop", "answer_dropped")


def case_a_commit_that_arrives_twice_is_there_once():
    check_done("repeat", "sent_twice")


def case_a_commit_answered_with_500_503_and_504_is_there_once():
    for status in ("500", "503", "504"):
        check_done(status, f"answered_{status}")


def case_a_commit_that_never_arrived_is_sent_again():
    check_done("lose", "request_lost")


def case_a_table_whose_making_is_answered_late_is_whole():
    connection = another(proxy.url)
    for number, fault in enumerate(("drop", "repeat", "500", "503")):
        proxy.plan(fault, path=f"/tables/made_{number}")
        connection.execute(f"CREATE TABLE lake.duck.made_{number} AS SELECT range AS id FROM range(5)")
        equal(proxy.met(), 0, f"{fault} did not come to pass")
        equal(rows(f"SELECT count(*) FROM lake.duck.made_{number}", another()), [["5"]], fault)


def case_a_transaction_over_two_tables_whose_answer_is_dropped_is_there_once():
    do("CREATE TABLE lake.duck.first_of_two AS SELECT 0 AS id", "CREATE TABLE lake.duck.second_of_two AS SELECT 0 AS id")
    connection = another(proxy.url)
    for fault in ("drop", "repeat", "503"):
        proxy.plan(fault, path="transactions/commit")
        do("BEGIN", "INSERT INTO lake.duck.first_of_two VALUES (1)", "INSERT INTO lake.duck.second_of_two VALUES (1)",
           "COMMIT", connection=connection)
        equal(proxy.met(), 0, f"{fault} did not come to pass")
    both = "SELECT (SELECT count(*) FROM lake.duck.first_of_two), (SELECT count(*) FROM lake.duck.second_of_two)"
    equal(rows(both, another()), [["4", "4"]])


def case_appends_of_four_writers_at_once_are_all_there():
    do("CREATE TABLE lake.duck.crowd AS SELECT -1 AS id")
    failures = []

    def write(writer):
        connection = another()
        for step in range(3):
            try:
                connection.execute(f"INSERT INTO lake.duck.crowd VALUES ({writer * 10 + step})")
            except module.Error as error:
                failures.append(str(error)[:300])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    equal(failures, [])
    equal(rows("SELECT count(*), count(DISTINCT id) FROM lake.duck.crowd", another()), [["13", "13"]])


run(globals())
