"""DuckDB, PyIceberg, Spark and Trino write to one table in turn and at once; each reads what all wrote."""

import threading

import pyarrow

from _cases import equal, run
from _clients import TOKEN, URL, load_table, open_duckdb
from _engines import spark as open_spark
from _engines import trino, trino_catalog
from _faults import Proxy
from pyiceberg.catalog.rest import RestCatalog

proxy = Proxy(URL)


class Duck:
    """DuckDB, through the proxy."""

    def __init__(self):
        self.connection = open_duckdb()
        self.connection.execute(
            f"ATTACH 'lake' AS lake (TYPE iceberg, ENDPOINT '{proxy.url}/iceberg', TOKEN '{TOKEN}')")

    def append(self, table, ids, who):
        self.connection.execute(f"INSERT INTO lake.{table} VALUES {values(ids, who)}")

    def delete(self, table, condition):
        self.connection.execute(f"DELETE FROM lake.{table} WHERE {condition}")

    def ids(self, table):
        return self.connection.execute(f"SELECT id FROM lake.{table} ORDER BY id").fetchall()


class Py:
    """PyIceberg, through the proxy."""

    def __init__(self):
        self.catalog = RestCatalog("lake", uri=f"{proxy.url}/iceberg", token=TOKEN, warehouse="lake")

    def append(self, table, ids, who):
        columns = {"id": pyarrow.array(ids, pyarrow.int64()), "who": [who] * len(ids)}
        self.catalog.load_table(table).append(pyarrow.table(columns))

    def delete(self, table, condition):
        self.catalog.load_table(table).delete(condition)

    def ids(self, table):
        column = self.catalog.load_table(table).scan(selected_fields=("id",)).to_arrow()["id"]
        return [(id,) for id in sorted(column.to_pylist())]


class Spark:
    """Spark, through the proxy."""

    def __init__(self):
        self.session = open_spark({"dolake": {"uri": proxy.url + "/iceberg", "cache-enabled": "false"}})

    def do(self, statement):
        return [tuple(row) for row in self.session.sql(statement).collect()]

    def append(self, table, ids, who):
        self.do(f"INSERT INTO dolake.{table} VALUES {values(ids, who)}")

    def delete(self, table, condition):
        self.do(f"DELETE FROM dolake.{table} WHERE {condition}")

    def ids(self, table):
        return self.do(f"SELECT id FROM dolake.{table} ORDER BY id")


class Trino:
    """Trino, through the proxy."""

    def __init__(self, connect):
        self.connection = connect()
        self.do(trino_catalog("dolake", proxy.url))

    def do(self, statement):
        cursor = self.connection.cursor()
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()]

    def append(self, table, ids, who):
        self.do(f"INSERT INTO dolake.{table} VALUES {values(ids, who)}")

    def delete(self, table, condition):
        self.do(f"DELETE FROM dolake.{table} WHERE {condition}")

    def ids(self, table):
        return self.do(f"SELECT id FROM dolake.{table} ORDER BY id")


def values(ids, who):
    return ", ".join(f"({id}, '{who}')" for id in ids)


def check(table, wanted, without=()):
    """All engines, or all but some, see exactly these rows."""
    wanted = [(id,) for id in sorted(wanted)]
    for engine in (each for each in engines if each not in without):
        equal([tuple(row) for row in engine.ids(table)], wanted, type(engine).__name__)


def make(table, format=2):
    spark.do(f"""CREATE TABLE dolake.{table} (id BIGINT, who STRING) USING iceberg TBLPROPERTIES ('format-version' = '{format}',
                 'write.delete.mode' = 'merge-on-read', 'write.update.mode' = 'merge-on-read')""")


def case_engines_append_in_turn():
    spark.do("CREATE NAMESPACE dolake.mixed")
    make("mixed.turns")
    wanted = []
    for round in range(2):
        for number, engine in enumerate(engines):
            ids = [100 * round + 10 * number, 100 * round + 10 * number + 1]
            engine.append("mixed.turns", ids, type(engine).__name__)
            wanted += ids
    check("mixed.turns", wanted)


def case_engines_delete_in_turn_what_others_wrote():
    left = {0, 1, 10, 11, 20, 21, 30, 31, 100, 101, 110, 111, 120, 121, 130, 131}
    for engine, id in ((spark, 10), (py, 20), (duck, 30)):
        engine.delete("mixed.turns", f"id = {id}")
        left.remove(id)
        check("mixed.turns", left)
    trino_engine.delete("mixed.turns", "id = 0")
    check("mixed.turns", left - {0}, without=(py,))


def case_pyiceberg_reads_what_trino_deleted():
    make("mixed.deleted")
    spark.append("mixed.deleted", [1, 2, 3], "Spark")
    trino_engine.delete("mixed.deleted", "id = 2")
    check("mixed.deleted", [1, 3])


def case_spark_compacts_what_all_wrote():
    before = [id for (id,) in spark.ids("mixed.turns")]
    spark.do("CALL dolake.system.rewrite_data_files(table => 'mixed.turns', options => map('rewrite-all', 'true'))")
    spark.do("CALL dolake.system.expire_snapshots(table => 'mixed.turns', older_than => now(), retain_last => 1)")
    check("mixed.turns", before)
    for number, engine in enumerate(engines):
        engine.append("mixed.turns", [1000 + number], "after")
    check("mixed.turns", before + [1000, 1001, 1002, 1003])


def case_deletion_vectors_of_three_engines_are_read_by_all():
    make("mixed.vectors", 3)
    spark.append("mixed.vectors", list(range(20)), "Spark")
    for engine, id in ((duck, 1), (spark, 2), (trino_engine, 3)):
        engine.delete("mixed.vectors", f"id = {id}")
    check("mixed.vectors", [id for id in range(20) if id not in (1, 2, 3)])


def together(jobs):
    """Runs jobs at once; gives what they say when they fail."""
    failures = []

    def attempt(job):
        try:
            job()
        except Exception as error:
            failures.append(f"{type(error).__name__}: {str(error)[:200]}")

    threads = [threading.Thread(target=attempt, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def appends(table, engine, start, count):
    def job():
        for step in range(count):
            engine.append(table, [start + step], type(engine).__name__)

    return job


def case_engines_append_at_once():
    make("mixed.at_once")
    jobs = [appends("mixed.at_once", engine, 100 * number, 3) for number, engine in enumerate(engines)]
    equal(together(jobs), [])
    check("mixed.at_once", [100 * number + step for number in range(4) for step in range(3)])


def case_spark_compacts_while_others_append():
    make("mixed.busy")
    spark.append("mixed.busy", [0], "Spark")
    spark.append("mixed.busy", [1], "Spark")

    def compact():
        spark.do("CALL dolake.system.rewrite_data_files(table => 'mixed.busy', options => map('rewrite-all', 'true'))")

    others = [engine for engine in engines if engine is not spark]
    jobs = [appends("mixed.busy", engine, 100 * (number + 1), 3) for number, engine in enumerate(others)]
    equal(together([compact, *jobs]), [])
    check("mixed.busy", [0, 1] + [100 * (number + 1) + step for number in range(3) for step in range(3)])


def case_appends_whose_answers_are_lost_or_repeated_are_there_once_or_not():
    make("mixed.faulty")
    certain, possible = [], []
    for round, fault in enumerate(("drop", "repeat", "500", "503", "lose")):
        for number, engine in enumerate(engines):
            id = 100 * round + number
            path = "transactions/commit" if engine is duck else "/tables/faulty"
            proxy.plan(fault, path=path)
            try:
                engine.append("mixed.faulty", [id], type(engine).__name__)
                certain.append(id)
            except Exception:
                possible.append(id)
            proxy.met()
    found = [id for (id,) in duck.ids("mixed.faulty")]
    equal(len(found), len(set(found)), f"twice in {sorted(found)}")
    missing = [id for id in certain if id not in found]
    equal(missing, [], "acknowledged and not there")
    equal([id for id in found if id not in certain + possible], [])
    check("mixed.faulty", found)


def case_every_file_of_every_snapshot_is_there():
    for table in ("turns", "vectors", "at_once", "busy", "faulty"):
        for snapshot in load_table("mixed", table)["metadata"]["snapshots"]:
            spark.do(f"SELECT count(*), sum(id) FROM dolake.mixed.{table} VERSION AS OF {snapshot['snapshot-id']}")


with trino() as connect:
    duck, py, spark, trino_engine = Duck(), Py(), Spark(), Trino(connect)
    engines = (duck, py, spark, trino_engine)
    run(globals())
