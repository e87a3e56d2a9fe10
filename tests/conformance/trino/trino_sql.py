"""Trino owns tables of this catalog and reads captured ones, on vended credentials."""

from _cases import NotRun, equal, refused, run
from _clients import load_table, plain_rows, sql
from _engines import trino, trino_catalog


def rows(statement):
    cursor = connection.cursor()
    cursor.execute(statement)
    # A statement is done only when its answer is read, also one without rows.
    return plain_rows(cursor.fetchall())


def do(*statements):
    for statement in statements:
        rows(statement)


def case_the_catalog_is_attached_and_a_schema_made():
    do(trino_catalog("dolake"), "CREATE SCHEMA dolake.tri")
    equal(["tri"] in rows("SHOW SCHEMAS FROM dolake"), True)


def format_cases(format):
    """What holds for tables of a format version."""
    table = f"dolake.tri.orders{format}"

    def made():
        do(f"CREATE TABLE {table} (id bigint, region varchar, amount decimal(10,2)) WITH (format_version = {format})",
           f"INSERT INTO {table} VALUES (1, 'north', 10.5), (2, 'south', 20), (3, 'north', 30)")
        equal(rows(f"SELECT region, sum(amount) FROM {table} GROUP BY 1 ORDER BY 1"), [["north", "40.50"], ["south", "20.00"]])
        equal(load_table("tri", f"orders{format}")["metadata"]["format-version"], format)

    def changed():
        do(f"UPDATE {table} SET amount = 11 WHERE id = 1", f"DELETE FROM {table} WHERE id = 2")
        equal(rows(f"SELECT id, amount FROM {table} ORDER BY id"), [["1", "11.00"], ["3", "30.00"]])

    def merged():
        do(f"""MERGE INTO {table} t USING (VALUES (3, 'east', 1.0), (4, 'west', 4.0)) AS s (id, region, amount) ON t.id = s.id
               WHEN MATCHED THEN UPDATE SET amount = s.amount
               WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.region, s.amount)""")
        equal(rows(f"SELECT id, amount FROM {table} ORDER BY id"), [["1", "11.00"], ["3", "1.00"], ["4", "4.00"]])

    def optimized():
        before = rows(f"SELECT * FROM {table} ORDER BY id")
        do(f"ALTER TABLE {table} EXECUTE optimize", f"ALTER TABLE {table} EXECUTE optimize_manifests",
           f"ALTER TABLE {table} EXECUTE expire_snapshots(retention_threshold => '0s')",
           f"ALTER TABLE {table} EXECUTE expire_snapshots(retention_threshold => '0s')")
        equal(rows(f"SELECT * FROM {table} ORDER BY id"), before)
        equal(len(load_table("tri", f"orders{format}")["metadata"]["snapshots"]), 1)

    def truncated():
        do(f"TRUNCATE TABLE {table}")
        equal(rows(f"SELECT count(*) FROM {table}"), [["0"]])

    return {f"case_format_{format}_{each.__name__}": each for each in (made, changed, merged, optimized, truncated)}


for version in (2, 3):
    for name, case in format_cases(version).items():
        case.__name__ = name
        globals()[name] = case


def case_a_table_is_made_from_a_query():
    do("CREATE TABLE dolake.tri.made AS SELECT * FROM UNNEST(sequence(1, 1000)) AS t (n)")
    equal(rows("SELECT count(*), sum(n) FROM dolake.tri.made"), [["1000", "500500"]])


def case_a_table_is_replaced():
    do("CREATE TABLE dolake.tri.replaced AS SELECT 1 AS id", "CREATE OR REPLACE TABLE dolake.tri.replaced AS SELECT 'x' AS name")
    equal(rows("SELECT * FROM dolake.tri.replaced"), [["x"]])


def case_columns_come_change_and_go():
    do("CREATE TABLE dolake.tri.altered AS SELECT 1 AS id", "ALTER TABLE dolake.tri.altered ADD COLUMN note varchar",
       "INSERT INTO dolake.tri.altered VALUES (2, 'y')", "ALTER TABLE dolake.tri.altered RENAME COLUMN note TO remark",
       "ALTER TABLE dolake.tri.altered ALTER COLUMN id SET DATA TYPE bigint",
       "COMMENT ON TABLE dolake.tri.altered IS 'seen'", "COMMENT ON COLUMN dolake.tri.altered.id IS 'key'")
    equal(rows("SELECT id, remark FROM dolake.tri.altered ORDER BY id"), [["1", None], ["2", "y"]])
    do("ALTER TABLE dolake.tri.altered DROP COLUMN remark")
    equal(rows("SELECT * FROM dolake.tri.altered ORDER BY id"), [["1"], ["2"]])


def case_partitioning_sorting_and_format_are_changed():
    do("CREATE TABLE dolake.tri.shaped (id bigint, day date) WITH (partitioning = ARRAY['month(day)'], format_version = 2)",
       "INSERT INTO dolake.tri.shaped VALUES (1, DATE '2026-01-01'), (2, DATE '2026-02-01')",
       "ALTER TABLE dolake.tri.shaped SET PROPERTIES partitioning = ARRAY['day']",
       "ALTER TABLE dolake.tri.shaped SET PROPERTIES sorted_by = ARRAY['id']",
       "ALTER TABLE dolake.tri.shaped SET PROPERTIES format_version = 3",
       "INSERT INTO dolake.tri.shaped VALUES (3, DATE '2026-02-01')")
    equal(rows("SELECT id FROM dolake.tri.shaped WHERE day = DATE '2026-02-01' ORDER BY id"), [["2"], ["3"]])
    equal(load_table("tri", "shaped")["metadata"]["format-version"], 3)


def case_every_type_comes_back():
    do("""CREATE TABLE dolake.tri.kinds AS SELECT true AS b, 1 AS i, BIGINT '2' AS l, REAL '0.5' AS f, 0.25e0 AS d,
          DECIMAL '12.34' AS n, DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 03:04:05.678901' AS at, 'x' AS s, X'AA' AS bytes,
          UUID '00000000-0000-0000-0000-000000000001' AS u, ARRAY[1, 2] AS list, CAST(ROW(1, 'z') AS ROW(a integer, b varchar)) AS struct""")
    equal(rows("SELECT b, i, l, f, d, n, day, at, s, bytes, u, list[2], struct.b FROM dolake.tri.kinds"),
          [["true", "1", "2", "0.5", "0.25", "12.34", "2026-01-02", "2026-01-02T03:04:05.678901", "x", "\\xaa",
            "00000000-0000-0000-0000-000000000001", "2", "z"]])


def case_the_past_is_read():
    do("CREATE TABLE dolake.tri.past AS SELECT 1 AS id")
    snapshot = load_table("tri", "past")["metadata"]["current-snapshot-id"]
    do("INSERT INTO dolake.tri.past VALUES 2")
    equal(rows(f"SELECT * FROM dolake.tri.past FOR VERSION AS OF {snapshot}"), [["1"]])
    equal(len(rows('SELECT * FROM dolake.tri."past$snapshots"')) >= 2, True)
    do(f"ALTER TABLE dolake.tri.past EXECUTE rollback_to_snapshot({snapshot})")
    equal(rows("SELECT * FROM dolake.tri.past"), [["1"]])


def case_statistics_are_written():
    do("CREATE TABLE dolake.tri.measured AS SELECT 1 AS id", "ANALYZE dolake.tri.measured")
    equal(rows("SHOW STATS FOR dolake.tri.measured")[0][0], "id")


def case_a_view_is_made_replaced_renamed_and_dropped():
    do("CREATE TABLE dolake.tri.seen AS SELECT 1 AS id", "CREATE VIEW dolake.tri.look AS SELECT id FROM dolake.tri.seen")
    equal(rows("SELECT * FROM dolake.tri.look"), [["1"]])
    do("CREATE OR REPLACE VIEW dolake.tri.look AS SELECT id + 1 AS id FROM dolake.tri.seen",
       "ALTER VIEW dolake.tri.look RENAME TO dolake.tri.glance")
    equal(rows("SELECT * FROM dolake.tri.glance"), [["2"]])
    do("DROP VIEW dolake.tri.glance")
    refused(Exception, lambda: rows("SELECT * FROM dolake.tri.glance"))


def case_a_table_is_renamed_unregistered_and_dropped():
    do("CREATE TABLE dolake.tri.first AS SELECT 1 AS id", "ALTER TABLE dolake.tri.first RENAME TO dolake.tri.second")
    equal(rows("SELECT * FROM dolake.tri.second"), [["1"]])
    do("CREATE TABLE dolake.tri.third AS SELECT 1 AS id", "DROP TABLE dolake.tri.third",
       "CALL dolake.system.unregister_table('tri', 'second')")
    names = rows("SHOW TABLES FROM dolake.tri")
    equal((["third"] in names, ["second"] in names), (False, False))


def case_a_table_is_registered():
    raise NotRun("Trino 483 refuses to start its register_table procedure on vended credentials")


def case_nested_schemas_are_made_and_dropped():
    do('CREATE SCHEMA dolake."tri.inner"', 'CREATE TABLE dolake."tri.inner".t AS SELECT 1 AS id')
    equal(rows('SELECT * FROM dolake."tri.inner".t'), [["1"]])
    do('DROP TABLE dolake."tri.inner".t', 'DROP SCHEMA dolake."tri.inner"')


def case_captured_rows_are_read_and_not_written():
    sql("default", "CREATE TABLE orders (id integer PRIMARY KEY, region text, revenue numeric(10,2))")
    sql("default", "INSERT INTO orders VALUES (1, 'north', 10), (2, 'south', 5), (3, 'north', 2.5)")
    grouped = "SELECT region, sum(revenue) FROM dolake.default.orders GROUP BY region ORDER BY region"
    equal(rows(grouped), [["north", "12.50"], ["south", "5.00"]])
    sql("default", "UPDATE orders SET revenue = 6 WHERE id = 2")
    equal(rows(grouped), [["north", "12.50"], ["south", "6.00"]])
    refused(Exception, lambda: do("INSERT INTO dolake.default.orders (id) VALUES (9)"))


with trino() as connect:
    connection = connect()
    run(globals())
