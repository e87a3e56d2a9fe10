"""Current rows and history as stock engines see them, right after a commit in the shard."""

from _cases import equal, run
from _clients import (
    after, attach, create_secret, open_duckdb, open_pyiceberg, plain_rows, query, scan, sql,
)

duckdb = open_duckdb()
attach(duckdb)
pyiceberg = open_pyiceberg()


def engines(table, columns, last):
    """What each engine answers for all rows of a table, in key order, after a transaction of the shard."""
    order = f"ORDER BY {columns[0]}"
    names = ", ".join(columns)
    create_secret(duckdb, "default", table)
    arrow = pyiceberg.load_table(f"default.{table}").scan(selected_fields=tuple(columns)).to_arrow()
    yield "our SQL", query(f"SELECT {names} FROM {table} {order}", after=after("default", last))["rows"]
    yield "DuckDB, ATTACH", duckdb.execute(f'SELECT {names} FROM lake."default".{table} {order}').fetchall()
    yield "DuckDB, iceberg_scan", duckdb.execute(f"SELECT {names} FROM {scan('default', table)} {order}").fetchall()
    yield "PyIceberg", sorted([tuple(row[name] for name in columns) for row in arrow.to_pylist()], key=lambda row: row[0])


def check(table, columns, last):
    """All engines answer what the shard answers."""
    expected = plain_rows(sql("default", f"SELECT {', '.join(columns)} FROM {table} ORDER BY {columns[0]}")["rows"])
    for who, rows in engines(table, columns, last):
        equal(plain_rows(rows), expected, who)
    return expected


def case_a_table_without_a_row_is_empty():
    last = sql("default", "CREATE TABLE nothing_yet (id integer PRIMARY KEY, note text)")
    names = ["id", "note"]
    equal(query("SELECT * FROM nothing_yet", after=after("default", last))["rows"], [])
    equal(duckdb.execute('SELECT * FROM lake."default".nothing_yet').fetchall(), [])
    equal(pyiceberg.load_table("default.nothing_yet").scan().to_arrow().num_rows, 0)
    last = sql("default", "INSERT INTO nothing_yet VALUES (1, 'something')")
    equal(check("nothing_yet", names, last), [["1", "something"]])


def case_inserted_rows_are_read_by_all():
    sql("default", "CREATE TABLE orders (id integer PRIMARY KEY, customer text, amount numeric(10,2))")
    last = sql("default", "INSERT INTO orders VALUES (1, 'ada', 10.50), (2, NULL, 0), (3, '', -3.25)")
    equal(check("orders", ["id", "customer", "amount"], last), [
        ["1", "ada", "10.50"], ["2", None, "0.00"], ["3", "", "-3.25"],
    ])


def case_updated_and_deleted_rows_are_read_by_all():
    sql("default", "UPDATE orders SET amount = amount + 1 WHERE id = 1")
    sql("default", "DELETE FROM orders WHERE id = 2")
    last = sql("default", "INSERT INTO orders VALUES (4, 'grace', 1)")
    equal(check("orders", ["id", "customer", "amount"], last), [
        ["1", "ada", "11.50"], ["3", "", "-3.25"], ["4", "grace", "1.00"],
    ])


def case_a_row_that_is_changed_many_times_is_one_row():
    for amount in range(20):
        last = sql("default", f"UPDATE orders SET amount = {amount} WHERE id = 3")
        if amount % 5 == 0:
            check("orders", ["id", "amount"], last)
    equal(check("orders", ["id", "amount"], last)[1], ["3", "19.00"])


def case_a_changed_key_is_another_row():
    last = sql("default", "UPDATE orders SET id = 40 WHERE id = 4")
    equal([row[0] for row in check("orders", ["id"], last)], ["1", "3", "40"])


def case_a_deleted_key_comes_back():
    sql("default", "DELETE FROM orders WHERE id = 1")
    check("orders", ["id"], sql("default", "INSERT INTO orders VALUES (2, 'back', 2)"))
    last = sql("default", "INSERT INTO orders VALUES (1, 'back', 1)")
    equal([row[0] for row in check("orders", ["id", "customer"], last)], ["1", "2", "3", "40"])


def case_an_emptied_table_is_empty_for_all():
    last = sql("default", "DELETE FROM orders")
    equal(check("orders", ["id"], last), [])


def case_a_table_without_a_key_keeps_equal_rows_apart():
    sql("default", "CREATE TABLE log (line text)")
    sql("default", "INSERT INTO log VALUES ('same'), ('same'), ('other')")
    last = sql("default", "DELETE FROM log WHERE line = 'other'")
    equal(check("log", ["line"], last), [["same"], ["same"]])


def case_history_has_one_row_for_each_change():
    rows = duckdb.execute("""
        SELECT id, _operation, amount FROM lake."default".orders_history WHERE id = 1 ORDER BY _position
    """).fetchall()
    equal(plain_rows(rows), [
        ["1", "INSERT", "10.50"], ["1", "UPDATE", "11.50"], ["1", "DELETE", "11.50"],
        ["1", "INSERT", "1.00"], ["1", "DELETE", "1.00"],
    ])


def case_several_tables_of_one_transaction_come_together():
    sql("default", "CREATE TABLE lefts (id integer PRIMARY KEY)")
    sql("default", "CREATE TABLE rights (id integer PRIMARY KEY)")
    for number in range(5):
        sql("default", f"INSERT INTO lefts VALUES ({number})")
        sql("default", f"INSERT INTO rights VALUES ({number})")
    count = 'SELECT (SELECT count(*) FROM lake."default".lefts), (SELECT count(*) FROM lake."default".rights)'
    equal(duckdb.execute(count).fetchall(), [(5, 5)])


run(globals())
