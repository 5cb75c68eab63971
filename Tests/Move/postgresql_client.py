"""A bank's customers: `postgresql_client.py ADDRESS PORT RATE WORKERS`; each transaction is pgbench's own, with a number of its own.

What the server has acknowledged is kept here, and nowhere else. Lines on standard input: `mark` prints what was seen since the
last mark, `rest` lets nobody begin anything more; `check` ends the work, and compares what the server has with what it acknowledged.
All answers are lines of JSON."""

import json
import random
import sys
import threading
import time

import psycopg2

host, port, rate, workers = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
lock = threading.Lock()
acknowledged, in_doubt = set(), set()
seen = {"acknowledged": 0, "gap": 0.0, "lost": 0, "refused": 0, "timeout": 0, "failed": 0}
last = [time.monotonic()]
ended, resting = threading.Event(), threading.Event()


def connect():
    connection = psycopg2.connect(host=host, port=port, user="postgres", dbname="bank", connect_timeout=20)
    connection.autocommit = True
    return connection


with connect() as first, first.cursor() as cursor:
    cursor.execute("select (select count(*) from pgbench_branches), (select count(*) from pgbench_accounts)")
    branches, accounts = cursor.fetchone()


def count(what):
    with lock:
        seen[what] += 1


def work(worker):
    numbers = random.Random(worker)
    number, connection = 0, None
    due = time.monotonic() + worker / rate
    while not ended.is_set():
        if resting.is_set():
            time.sleep(0.02)
            continue
        pause = due - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        due = max(due + workers / rate, time.monotonic() - 1)
        if connection is None:
            try:
                connection = connect()
            except psycopg2.OperationalError as error:
                count("refused" if "refused" in str(error) else "timeout" if "timeout" in str(error) else "failed")
                time.sleep(0.002)
                continue
        number += 1
        name = f"{worker}-{number}"
        aid, bid = numbers.randint(1, accounts), numbers.randint(1, branches)
        tid, delta = numbers.randint(1, branches * 10), numbers.randint(-5000, 5000)
        try:
            # pgbench's tpcb-like, in one round trip.
            with connection.cursor() as cursor:
                cursor.execute(
                    "begin;"
                    f"update pgbench_accounts set abalance = abalance + {delta} where aid = {aid};"
                    f"select abalance from pgbench_accounts where aid = {aid};"
                    f"update pgbench_tellers set tbalance = tbalance + {delta} where tid = {tid};"
                    f"update pgbench_branches set bbalance = bbalance + {delta} where bid = {bid};"
                    "insert into pgbench_history (tid, bid, aid, delta, mtime, filler) values "
                    f"({tid}, {bid}, {aid}, {delta}, current_timestamp, '{name}');"
                    "commit")
        except psycopg2.Error:
            with lock:
                in_doubt.add(name)
                seen["lost"] += 1
            try:
                connection.close()
            except psycopg2.Error:
                pass
            connection = None
            continue
        now = time.monotonic()
        with lock:
            acknowledged.add(name)
            seen["acknowledged"] += 1
            seen["gap"] = max(seen["gap"], now - last[0])
            last[0] = now


def marked():
    with lock:
        found = dict(seen)
        found["gap"] = max(found["gap"], time.monotonic() - last[0])
        for key in seen:
            seen[key] = 0
        return found


def compared():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("select trim(filler) from pgbench_history where filler is not null")
        rows = [row[0] for row in cursor.fetchall()]
        sums = []
        for column in ("abalance) from pgbench_accounts", "tbalance) from pgbench_tellers", "bbalance) from pgbench_branches",
                       "delta) from pgbench_history"):
            cursor.execute(f"select sum({column}")
            sums.append(int(cursor.fetchone()[0] or 0))
    there = set(rows)
    return {"acknowledged": len(acknowledged), "missing": sorted(acknowledged - there)[:20], "twice": len(rows) - len(there),
            "unknown": len(there - acknowledged - in_doubt), "in_doubt": len(in_doubt), "rows": len(rows), "sums": sums}


threads = [threading.Thread(target=work, args=(worker,), daemon=True) for worker in range(workers)]
for thread in threads:
    thread.start()
for line in sys.stdin:
    if line.strip() == "mark":
        print(json.dumps(marked()), flush=True)
    elif line.strip() == "rest":
        resting.set()
        print(json.dumps(marked()), flush=True)
    elif line.strip() == "check":
        ended.set()
        for thread in threads:
            thread.join(30)
        print(json.dumps(compared()), flush=True)
        break
ended.set()
