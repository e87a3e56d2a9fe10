"""Spark owns tables of this catalog and reads captured ones while they change.

`dolake` is on vended credentials, `signed` has each storage request signed by the catalog, `planned` has scans planned there.
"""

import json
import threading
import time

from _cases import equal, refused, run
from _clients import TOKEN, URL, load_table, plain_rows, sql
from _engines import spark as open_spark
from _faults import Proxy


class ShortTokens(Proxy):
    """Says that tokens end after some seconds, and remembers how requests for them were answered.

    The client reads the end of a token out of the token if it can, so it is given another text for it.
    """

    SECONDS = 10

    def __init__(self, target):
        super().__init__(target)
        self.statuses = []
        self.token = ""

    def forward(self, handler, body):
        if handler.headers.get("authorization") == "Bearer short":
            handler.headers.replace_header("authorization", f"Bearer {self.token}")
        status, headers, text = super().forward(handler, body)
        if handler.path.endswith("/oauth/tokens"):
            self.statuses.append(status)
            if status == 200:
                answer = json.loads(text)
                self.token = answer["access_token"]
                text = json.dumps(answer | {"access_token": "short", "expires_in": self.SECONDS}).encode()
        return status, headers, text


tokens = ShortTokens(URL)

session = open_spark({
    "dolake": {"cache-enabled": "false"},
    "signed": {"header.X-Iceberg-Access-Delegation": "remote-signing", "cache-enabled": "false"},
    "planned": {"scan-planning-mode": "server", "cache-enabled": "false"},
    "by_credential": {"uri": tokens.url + "/iceberg", "token": None, "credential": f"anybody:{TOKEN}", "cache-enabled": "false"},
})


def rows(statement):
    return plain_rows(session.sql(statement).collect())


def do(*statements):
    for statement in statements:
        session.sql(statement).collect()


def case_a_namespace_is_made_and_described():
    do("CREATE NAMESPACE dolake.spk WITH PROPERTIES ('note' = 'seen')")
    equal(["spk"] in rows("SHOW NAMESPACES IN dolake"), True)
    do("ALTER NAMESPACE dolake.spk SET PROPERTIES ('note' = 'changed')")
    equal("changed" in str(rows("DESCRIBE NAMESPACE EXTENDED dolake.spk")), True)


def table_cases(catalog, format, mode):
    """What holds for tables of a format whose rows are changed in a mode."""
    name = f"{catalog}_{format}_{mode.replace('-', '_')}"
    table = f"{catalog}.spk.{name}"
    modes = ", ".join(f"'write.{verb}.mode' = '{mode}'" for verb in ("delete", "update", "merge"))

    def made():
        do(f"""CREATE TABLE {table} (id BIGINT NOT NULL, region STRING, amount DECIMAL(10,2)) USING iceberg
               PARTITIONED BY (region) TBLPROPERTIES ('format-version' = '{format}', {modes})""",
           f"INSERT INTO {table} VALUES (1, 'north', 10.5), (2, 'south', 20), (3, 'north', 30), (4, 'south', 1)")
        equal(rows(f"SELECT region, sum(amount) FROM {table} GROUP BY 1 ORDER BY 1"), [["north", "40.50"], ["south", "21.00"]])
        equal(load_table("spk", name)["metadata"]["format-version"], format)

    def changed():
        do(f"UPDATE {table} SET amount = 11 WHERE id = 1", f"DELETE FROM {table} WHERE id = 2",
           f"""MERGE INTO {table} t USING (SELECT 3 AS id UNION ALL SELECT 5) s ON t.id = s.id
               WHEN MATCHED THEN UPDATE SET amount = 3 WHEN NOT MATCHED THEN INSERT (id, region, amount) VALUES (s.id, 'east', 5)""")
        equal(rows(f"SELECT id, amount FROM {table} ORDER BY id"), [["1", "11.00"], ["3", "3.00"], ["4", "1.00"], ["5", "5.00"]])

    def compacted():
        before = rows(f"SELECT * FROM {table} ORDER BY id")
        do(f"CALL {catalog}.system.rewrite_data_files(table => 'spk.{name}', options => map('rewrite-all', 'true'))",
           f"CALL {catalog}.system.rewrite_manifests('spk.{name}')")
        if format == 2:
            do(f"CALL {catalog}.system.rewrite_position_delete_files('spk.{name}')")
        do(f"CALL {catalog}.system.expire_snapshots(table => 'spk.{name}', older_than => now(), retain_last => 1)")
        equal(rows(f"SELECT * FROM {table} ORDER BY id"), before)
        equal(len(load_table("spk", name)["metadata"]["snapshots"]), 1)

    label = {"dolake": "", "signed": "remotely_signed_"}[catalog]
    return {f"case_{label}format_{format}_{mode.replace('-', '_')}_{each.__name__}": each for each in (made, changed, compacted)}


for choice in (("dolake", 2, "copy-on-write"), ("dolake", 2, "merge-on-read"), ("dolake", 3, "copy-on-write"),
               ("dolake", 3, "merge-on-read"), ("signed", 2, "merge-on-read"), ("signed", 3, "merge-on-read")):
    for title, case in table_cases(*choice).items():
        case.__name__ = title
        globals()[title] = case


def case_columns_and_partitions_change():
    do("CREATE TABLE dolake.spk.shaped (id INT, at TIMESTAMP, s STRUCT<a: INT>) USING iceberg PARTITIONED BY (months(at))",
       "INSERT INTO dolake.spk.shaped VALUES (1, TIMESTAMP '2026-01-01 00:00:00', named_struct('a', 1))",
       "ALTER TABLE dolake.spk.shaped ADD COLUMN note STRING AFTER id", "ALTER TABLE dolake.spk.shaped ADD COLUMN s.b STRING",
       "ALTER TABLE dolake.spk.shaped ALTER COLUMN id TYPE BIGINT", "ALTER TABLE dolake.spk.shaped RENAME COLUMN note TO remark",
       "ALTER TABLE dolake.spk.shaped REPLACE PARTITION FIELD months(at) WITH days(at)",
       "ALTER TABLE dolake.spk.shaped ADD PARTITION FIELD bucket(4, id)", "ALTER TABLE dolake.spk.shaped WRITE ORDERED BY id",
       "INSERT INTO dolake.spk.shaped VALUES (5000000000, 'x', TIMESTAMP '2026-02-01 00:00:00', named_struct('a', 2, 'b', 'y'))")
    equal(rows("SELECT id, remark, s.b FROM dolake.spk.shaped ORDER BY id"), [["1", None, None], ["5000000000", "x", "y"]])
    do("ALTER TABLE dolake.spk.shaped DROP COLUMN remark", "ALTER TABLE dolake.spk.shaped DROP PARTITION FIELD bucket(4, id)")
    equal(rows("SELECT id FROM dolake.spk.shaped WHERE at >= TIMESTAMP '2026-02-01 00:00:00'"), [["5000000000"]])


def case_branches_and_tags_are_made_written_and_merged():
    do("CREATE TABLE dolake.spk.branched (id INT) USING iceberg", "INSERT INTO dolake.spk.branched VALUES (1)",
       "ALTER TABLE dolake.spk.branched CREATE TAG first", "ALTER TABLE dolake.spk.branched CREATE BRANCH audit",
       "INSERT INTO dolake.spk.branched.branch_audit VALUES (2)")
    equal(rows("SELECT * FROM dolake.spk.branched"), [["1"]])
    equal(rows("SELECT * FROM dolake.spk.branched VERSION AS OF 'audit' ORDER BY id"), [["1"], ["2"]])
    do("CALL dolake.system.fast_forward('spk.branched', 'main', 'audit')")
    equal(rows("SELECT * FROM dolake.spk.branched ORDER BY id"), [["1"], ["2"]])
    equal(rows("SELECT * FROM dolake.spk.branched VERSION AS OF 'first'"), [["1"]])
    do("ALTER TABLE dolake.spk.branched DROP BRANCH audit", "ALTER TABLE dolake.spk.branched DROP TAG first")
    equal(rows("SELECT name FROM dolake.spk.branched.refs"), [["main"]])


def case_the_past_and_metadata_tables_are_read():
    do("CREATE TABLE dolake.spk.past (id INT) USING iceberg", "INSERT INTO dolake.spk.past VALUES (1)",
       "INSERT INTO dolake.spk.past VALUES (2)")
    snapshots = rows("SELECT snapshot_id, committed_at FROM dolake.spk.past.snapshots ORDER BY committed_at")
    equal(rows(f"SELECT * FROM dolake.spk.past VERSION AS OF {snapshots[0][0]}"), [["1"]])
    equal(rows("SELECT count(*) FROM dolake.spk.past.files"), [["2"]])
    do(f"CALL dolake.system.rollback_to_snapshot('spk.past', {snapshots[0][0]})")
    equal(rows("SELECT * FROM dolake.spk.past"), [["1"]])


def case_tables_are_made_replaced_and_overwritten_from_queries():
    do("CREATE TABLE dolake.spk.made USING iceberg AS SELECT id FROM range(1000)")
    equal(rows("SELECT count(*), sum(id) FROM dolake.spk.made"), [["1000", "499500"]])
    do("REPLACE TABLE dolake.spk.made USING iceberg AS SELECT 'x' AS name")
    equal(rows("SELECT * FROM dolake.spk.made"), [["x"]])
    do("CREATE OR REPLACE TABLE dolake.spk.made USING iceberg AS SELECT 7 AS id", "INSERT OVERWRITE dolake.spk.made VALUES (8)")
    equal(rows("SELECT * FROM dolake.spk.made"), [["8"]])


def case_a_table_goes_from_format_2_to_3():
    do("CREATE TABLE dolake.spk.upgraded (id INT) USING iceberg TBLPROPERTIES ('format-version' = '2')",
       "INSERT INTO dolake.spk.upgraded VALUES (1), (2)", "ALTER TABLE dolake.spk.upgraded SET TBLPROPERTIES ('format-version' = '3')",
       "INSERT INTO dolake.spk.upgraded VALUES (3)", "DELETE FROM dolake.spk.upgraded WHERE id = 1")
    equal(rows("SELECT id FROM dolake.spk.upgraded ORDER BY id"), [["2"], ["3"]])


def case_orphan_files_are_removed():
    do("CREATE TABLE dolake.spk.orphans (id INT) USING iceberg", "INSERT INTO dolake.spk.orphans VALUES (1)")
    do("CALL dolake.system.remove_orphan_files(table => 'spk.orphans', dry_run => true, prefix_listing => true)")
    equal(rows("SELECT * FROM dolake.spk.orphans"), [["1"]])


def case_a_view_is_made_replaced_and_dropped():
    do("CREATE TABLE dolake.spk.seen USING iceberg AS SELECT 1 AS id", "CREATE VIEW dolake.spk.look AS SELECT id FROM dolake.spk.seen")
    equal(rows("SELECT * FROM dolake.spk.look"), [["1"]])
    do("CREATE OR REPLACE VIEW dolake.spk.look AS SELECT id + 1 AS id FROM dolake.spk.seen",
       "ALTER VIEW dolake.spk.look RENAME TO dolake.spk.glance")
    equal(rows("SELECT * FROM dolake.spk.glance"), [["2"]])
    do("DROP VIEW dolake.spk.glance")
    refused(Exception, lambda: rows("SELECT * FROM dolake.spk.glance"))


def case_a_table_is_renamed_registered_and_purged():
    do("CREATE TABLE dolake.spk.before USING iceberg AS SELECT 1 AS id", "ALTER TABLE dolake.spk.before RENAME TO spk.after")
    location = load_table("spk", "after")["metadata-location"]
    do("DROP TABLE dolake.spk.after", f"CALL dolake.system.register_table('spk.again', '{location}')")
    equal(rows("SELECT * FROM dolake.spk.again"), [["1"]])
    do("DROP TABLE dolake.spk.again PURGE")
    refused(Exception, lambda: rows("SELECT * FROM dolake.spk.again"))


def case_nested_namespaces_hold_tables():
    do("CREATE NAMESPACE dolake.spk.inner", "CREATE TABLE dolake.spk.inner.t USING iceberg AS SELECT 1 AS id")
    equal(rows("SELECT * FROM dolake.spk.inner.t"), [["1"]])
    do("DROP TABLE dolake.spk.inner.t", "DROP NAMESPACE dolake.spk.inner")


def case_the_query_of_the_readme_is_answered():
    sql("default", "CREATE TABLE orders (id integer PRIMARY KEY, region text, revenue integer)")
    sql("default", "INSERT INTO orders VALUES (1, 'north', 10), (2, 'south', 5), (3, 'north', 2)")
    summed = session.table("dolake.default.orders").groupBy("region").sum("revenue").collect()
    equal(sorted(plain_rows(summed)), [["north", "12"], ["south", "5"]])


def case_captured_rows_are_read_while_they_stream():
    sql("default", "CREATE TABLE streamed (id integer PRIMARY KEY, half integer)")
    sql("default", "INSERT INTO streamed VALUES (0, 0)")
    done = threading.Event()

    def write():
        for step in range(1, 40):
            sql("default", f"INSERT INTO streamed VALUES ({2 * step}, 1), ({2 * step + 1}, 1)")
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = [0]
    while not done.is_set():
        found = int(rows("SELECT count(*) FROM dolake.default.streamed")[0][0])
        equal(found >= seen[-1] and found % 2 == 1, True, f"{found} after {seen}")
        seen.append(found)
    writer.join()
    equal(rows("SELECT count(*) FROM dolake.default.streamed"), [["79"]])


def case_scans_are_planned_by_the_catalog():
    equal(rows("SELECT region, sum(revenue) FROM planned.default.orders GROUP BY 1 ORDER BY 1"), [["north", "12"], ["south", "5"]])
    equal(rows("SELECT id FROM planned.default.orders WHERE region = 'south'"), [["2"]])
    sql("default", "INSERT INTO orders VALUES (4, 'east', 1)")
    equal(rows("SELECT count(*) FROM planned.default.orders"), [["4"]])


def case_another_token_is_had_with_the_credential_before_one_ends():
    rows("SHOW NAMESPACES IN by_credential")
    before = len(tokens.statuses)
    time.sleep(2 * ShortTokens.SECONDS)
    equal(len(tokens.statuses) > before >= 1, True, f"{tokens.statuses}")
    equal(set(tokens.statuses), {200})
    rows("SHOW NAMESPACES IN by_credential")


def case_captured_tables_take_no_foreign_rows():
    refused(Exception, lambda: do("INSERT INTO dolake.default.orders (id) VALUES (9)"))
    refused(Exception, lambda: do("DELETE FROM dolake.default.orders WHERE id = 1"))


def case_captured_tables_take_tags():
    do("ALTER TABLE dolake.default.orders CREATE TAG kept")
    equal(["kept"] in rows("SELECT name FROM dolake.default.orders.refs"), True)


run(globals())
