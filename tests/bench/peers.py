#!/usr/bin/env python3
"""The questions of the store benchmark, asked of DuckDB, ClickHouse (as chDB) and SQLite, one thread each.

    peers.py ENGINE FOLDER load ROWS.csv      fills FOLDER; prints one line of JSON: entries, cpu_s, bytes
    peers.py ENGINE FOLDER ask SUBJECTS       SUBJECTS is JSON, see `Subjects` in store/questions.rs; prints one line
                                              about opening, then for each question's name on stdin one line:
                                              ms, cpu_ms, answer; or error

ENGINE is duckdb, chdb or sqlite. Each has the types, codecs and indexes that its documentation recommends for such a
table. Rows are compared by `answer`, which must be the same in every engine.
"""

import csv
import json
import os
import shutil
import sys
import time

# Column and kind, in the order of the file. The names that the store derives from a row's place, and fields that the
# traffic leaves empty, are left out.
COLUMNS = [
    ("time", "time"),
    ("request_id", "uuid"),
    ("source_ip", "address"),
    ("country", "word"),
    ("subdivision", "word"),
    ("city", "word"),
    ("asn", "u32"),
    ("user_agent", "word"),
    ("revision", "word"),
    ("method", "word"),
    ("host", "word"),
    ("path", "text"),
    ("query", "text"),
    ("protocol", "word"),
    ("status_code", "u16"),
    ("action", "word"),
    ("origin", "word"),
    ("reason", "word"),
    ("auth_method", "word"),
    ("email", "word"),
    ("user_id", "word"),
    ("session_id", "text"),
    ("circuit", "word"),
    ("project", "word"),
    ("upstream", "word"),
    ("upstream_ms", "u32?"),
    ("duration_ms", "u32"),
    ("bytes_in", "u64"),
    ("bytes_out", "u64"),
    ("referer", "text"),
    ("tls", "word"),
]
NAMES = [name for name, _ in COLUMNS]

# What `q` looks in.
TEXTS = [name for name, kind in COLUMNS if kind in ("word", "text")]

HOUR_US = 3_600_000_000


def columns(types):
    """The columns of CREATE TABLE."""
    return ", ".join(f"{name} {types[kind]}" for name, kind in COLUMNS)


class DuckDb:
    TYPES = {
        "time": "TIMESTAMP", "uuid": "UUID", "address": "VARCHAR", "word": "VARCHAR", "text": "VARCHAR",
        "u16": "USMALLINT", "u32": "UINTEGER", "u32?": "UINTEGER", "u64": "UBIGINT",
    }
    HOUR = "date_trunc('hour', time)"

    def __init__(self, folder):
        import duckdb

        self.connect = lambda path, **options: duckdb.connect(path, config={"threads": 1}, **options)
        self.path = os.path.join(folder, "duckdb")

    def load(self, rows):
        db = self.connect(self.path)
        types = {name: "BIGINT" if kind == "time" else self.TYPES[kind] for name, kind in COLUMNS}
        db.execute(f"CREATE TABLE requests ({columns(self.TYPES)})")
        db.execute(
            f"INSERT INTO requests SELECT make_timestamp(time), {', '.join(NAMES[1:])} "
            f"FROM read_csv('{rows}', header = true, columns = {types})"
        )
        db.execute("CHECKPOINT")
        db.close()

    def size(self):
        return os.path.getsize(self.path)

    def open(self):
        self.db = self.connect(self.path, read_only=True)

    def run(self, sql):
        return self.db.execute(sql).fetchall()

    def rows(self, result):
        return result

    def time(self, micros):
        return f"make_timestamp({micros})"

    def contains(self, needle):
        return " OR ".join(f"{name} ILIKE '%{needle}%'" for name in TEXTS)

    often_contains = contains

    def export(self, sql, path):
        self.run(f"COPY ({sql}) TO '{path}' (FORMAT csv, HEADER)")


class ChDb:
    TYPES = {
        "time": "DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1))",
        "uuid": "UUID CODEC(ZSTD(1))",
        "address": "IPv6 CODEC(ZSTD(1))",
        "word": "LowCardinality(String)",
        "text": "String CODEC(ZSTD(1))",
        "u16": "UInt16 CODEC(ZSTD(1))",
        "u32": "UInt32 CODEC(T64, ZSTD(1))",
        "u32?": "Nullable(UInt32) CODEC(T64, ZSTD(1))",
        "u64": "UInt64 CODEC(T64, ZSTD(1))",
    }
    HOUR = "toStartOfHour(time)"
    # Words of many columns are searched together, so that one filter serves them all.
    TEXT = "lower(concatWithSeparator(' ', " + ", ".join(TEXTS) + "))"
    INDEXES = [
        ("request_id", "bloom_filter(0.001) GRANULARITY 1"),
        ("email", "bloom_filter(0.01) GRANULARITY 1"),
        ("source_ip", "bloom_filter(0.01) GRANULARITY 1"),
        ("circuit", "set(100) GRANULARITY 1"),
        ("status_code", "set(100) GRANULARITY 1"),
        ("duration_ms", "minmax GRANULARITY 1"),
        (TEXT, "ngrambf_v1(3, 65536, 2, 0) GRANULARITY 1"),
    ]
    # The cache of query conditions remembers which parts the same question needed last time.
    SETTINGS = "SETTINGS max_threads = 1, use_query_condition_cache = 0"

    def __init__(self, folder):
        from chdb import session

        self.session = session.Session
        self.path = os.path.join(folder, "chdb")

    def load(self, rows):
        self.open()
        indexes = ", ".join(f"INDEX i{at} {what} TYPE {kind}" for at, (what, kind) in enumerate(self.INDEXES))
        structure = ", ".join(
            f"{name} {'Int64' if kind == 'time' else self.TYPES[kind].split(' CODEC')[0]}" for name, kind in COLUMNS
        ).replace("'", "\\'").replace("LowCardinality(String)", "String")
        self.db.query("CREATE DATABASE bench ENGINE = Atomic")
        self.db.query(
            f"CREATE TABLE bench.requests ({columns(self.TYPES)}, {indexes}) ENGINE = MergeTree ORDER BY time "
            "PARTITION BY toYYYYMM(time)"
        )
        self.db.query(
            f"INSERT INTO bench.requests SELECT fromUnixTimestamp64Micro(time, 'UTC'), {', '.join(NAMES[1:])} "
            f"FROM file('{rows}', 'CSVWithNames', '{structure}') {self.SETTINGS}, max_insert_threads = 1"
        )
        self.db.query("OPTIMIZE TABLE bench.requests FINAL")
        self.bytes = int(self.rows(self.run(
            "SELECT toString(sum(bytes_on_disk)) FROM system.parts WHERE active AND table = 'requests'"
        ))[0][0])
        self.db.close()

    def size(self):
        return self.bytes

    def open(self):
        self.db = self.session(self.path)

    def run(self, sql):
        sql = sql.replace("FROM requests", "FROM bench.requests")
        return self.db.query(f"{sql} {self.SETTINGS}", "JSONCompactEachRow")

    def rows(self, result):
        return [json.loads(line) for line in str(result).splitlines()]

    def time(self, micros):
        return f"fromUnixTimestamp64Micro({micros}, 'UTC')"

    def contains(self, needle):
        return f"{self.TEXT} LIKE '%{needle}%'"

    def often_contains(self, needle):
        """Faster where the filter excludes little."""
        return " OR ".join(f"{name} ILIKE '%{needle}%'" for name in TEXTS)

    def export(self, sql, path):
        sql = sql.replace("FROM requests", "FROM bench.requests")
        self.db.query(f"{sql} INTO OUTFILE '{path}' TRUNCATE FORMAT CSVWithNames {self.SETTINGS}")


class Sqlite:
    TYPES = {
        "time": "INTEGER", "uuid": "TEXT", "address": "TEXT", "word": "TEXT", "text": "TEXT",
        "u16": "INTEGER", "u32": "INTEGER", "u32?": "INTEGER", "u64": "INTEGER",
    }
    HOUR = f"time / {HOUR_US}"
    INDEXES = [
        "time", "email, time", "source_ip, time", "status_code, time", "circuit, time", "country, time", "host, time",
        "path, time", "duration_ms, time", "request_id",
    ]

    def __init__(self, folder):
        import sqlite3

        self.connect = sqlite3.connect
        self.path = os.path.join(folder, "sqlite")
        self.parsing_s = 0

    def load(self, rows):
        self.open()
        self.db.execute(f"CREATE TABLE requests ({columns(self.TYPES)})")
        insert = f"INSERT INTO requests VALUES ({', '.join('?' * len(COLUMNS))})"
        with open(rows, newline="") as file:
            reader = csv.reader(file)
            next(reader)
            while batch := self.batch(reader):
                self.db.executemany(insert, batch)
                self.db.commit()
        for at, index in enumerate(self.INDEXES):
            self.db.execute(f"CREATE INDEX i{at} ON requests ({index})")
        self.db.execute("ANALYZE")
        self.db.commit()
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()

    def batch(self, reader):
        """Reading CSV in Python is not SQLite's work: its time is taken off."""
        start = time.process_time()
        batch = [[value or None for value in row] for _, row in zip(range(10_000), reader)]
        self.parsing_s += time.process_time() - start
        return batch

    def size(self):
        return os.path.getsize(self.path)

    def open(self):
        self.db = self.connect(self.path)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -1000000", "mmap_size = 64000000000"):
            self.db.execute(f"PRAGMA {pragma}")

    def run(self, sql):
        return self.db.execute(sql).fetchall()

    def rows(self, result):
        return result

    def time(self, micros):
        return str(micros)

    def contains(self, needle):
        # LIKE does not tell ASCII letters by case.
        return " OR ".join(f"{name} LIKE '%{needle}%'" for name in TEXTS)

    often_contains = contains

    def export(self, sql, path):
        with open(path, "w", newline="") as file:
            cursor = self.db.execute(sql)
            writer = csv.writer(file)
            writer.writerow(NAMES)
            writer.writerows(cursor)


ENGINES = {"duckdb": DuckDb, "chdb": ChDb, "sqlite": Sqlite}


def page(rows):
    """A page is the same if it is as long and begins and ends with the same requests."""
    return f"{len(rows)} rows" + "".join(f" {row[1]}" for row in (rows[:1] + rows[-1:]))


def count(rows):
    return str(rows[0][0])


def cells(rows):
    return f"{len(rows)} cells, {sum(int(row[2]) for row in rows)}"


def top(rows):
    return " ".join(f"{value}={number}" for value, number in rows[:3])


def questions(engine, subjects):
    """Each question's SQL, and what its answer is."""
    at = engine.time
    newest = "ORDER BY time DESC LIMIT 100"
    week = f"time >= {at(subjects['week_since'])} AND time <= {at(subjects['week_until'])}"
    tally = "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"
    # Nothing else names a row here.
    by_id = f"SELECT * FROM requests WHERE request_id = '{subjects['request_id']}'"
    return {
        "newest": (f"SELECT * FROM requests {newest}", page),
        "newest_sealed": (f"SELECT * FROM requests WHERE time <= {at(subjects['week_until'])} {newest}", page),
        "user_week": (f"SELECT * FROM requests WHERE email = '{subjects['user']}' AND {week} {newest}", page),
        "rare": (
            f"SELECT * FROM requests WHERE status_code = 504 AND circuit = '{subjects['circuit']}' "
            "ORDER BY time DESC LIMIT 1000",
            page,
        ),
        "text_absent": (f"SELECT count(*) FROM requests WHERE {engine.contains(subjects['absent'])}", count),
        "text_common": (f"SELECT count(*) FROM requests WHERE {engine.often_contains(subjects['needle'])}", count),
        "sort_number": ("SELECT * FROM requests ORDER BY duration_ms DESC, time DESC LIMIT 100", page),
        "sort_text": ("SELECT * FROM requests ORDER BY path DESC, time DESC LIMIT 100", page),
        "status_by_hour": (f"SELECT {engine.HOUR}, status_code, count(*) FROM requests GROUP BY 1, 2", cells),
        "top_users": (f"SELECT email, count(*) FROM requests WHERE email <> '' {tally}", top),
        "top_paths": (f"SELECT path, count(*) FROM requests {tally}", top),
        "by_id": (by_id, page),
        "by_request_id": (by_id, page),
    }


def cpu_ms():
    return time.process_time() * 1e3


def measured(work):
    """What the work returns, and how long it took in real and in CPU time."""
    start, cpu = time.perf_counter(), cpu_ms()
    result = work()
    return result, {"ms": (time.perf_counter() - start) * 1e3, "cpu_ms": cpu_ms() - cpu}


def ask(engine, subjects, name):
    if name == "csv":
        until = engine.time(subjects["csv_until"])
        path = subjects["csv_file"]
        _, took = measured(lambda: engine.export(f"SELECT * FROM requests WHERE time <= {until}", path))
        with open(path, newline="") as file:
            answer = f"{sum(1 for _ in file)} lines"
        os.remove(path)
        return took | {"answer": answer}
    sql, answer = questions(engine, subjects)[name]
    result, took = measured(lambda: engine.run(sql))
    return took | {"answer": answer(engine.rows(result))}


def load(engine, folder, rows):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    _, took = measured(lambda: engine.load(rows))
    cpu_s = took["cpu_ms"] / 1e3 - getattr(engine, "parsing_s", 0)
    print(json.dumps({"cpu_s": cpu_s, "wall_s": took["ms"] / 1e3, "bytes": engine.size()}), flush=True)


def serve(engine, subjects):
    def opening():
        engine.open()
        return engine.run("SELECT max(time) FROM requests")

    print(json.dumps(measured(opening)[1]), flush=True)
    for line in sys.stdin:
        try:
            reply = ask(engine, subjects, line.strip())
        except Exception as error:  # Whatever it is, the other engines go on.
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


def main():
    name, folder, action, argument = sys.argv[1:]
    engine = ENGINES[name](folder)
    if action == "load":
        load(engine, folder, argument)
    else:
        serve(engine, json.loads(argument))


if __name__ == "__main__":
    main()
