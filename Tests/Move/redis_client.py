"""A client of Redis that reconnects: `redis_client.py ADDRESS PORT`; sets one key after the other.

What was acknowledged is kept here. Lines on standard input: `mark` prints what was seen since the last mark, `check` ends the work
and reads every acknowledged key again. All answers are lines of JSON."""

import json
import select
import socket
import sys
import time

address = (sys.argv[1], int(sys.argv[2]))
seen = {"acknowledged": 0, "gap": 0.0, "lost": 0, "refused": 0, "timeout": 0}
connection = None
last = time.monotonic()
acknowledged = 0


def ask(*words):
    """One command (RESP), and its answer: a line, or a string of some length."""
    connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError
    if line.startswith(b"$"):
        length = int(line[1:])
        return None if length < 0 else stream.read(length + 2)[:-2]
    return line[:-2]


while True:
    if select.select([sys.stdin], [], [], 0)[0]:
        command = sys.stdin.readline().strip()
        if command != "mark":
            break
        seen["gap"] = max(seen["gap"], time.monotonic() - last)
        print(json.dumps(seen), flush=True)
        seen = dict.fromkeys(seen, 0)
    try:
        if connection is None:
            connection = socket.create_connection(address, 20)
            connection.settimeout(20)
            stream = connection.makefile("rb")
        # The next number goes on where the acknowledged ones end: one that is in doubt is set again.
        if ask(b"SET", b"key:%d" % (acknowledged + 1), b"value:%d" % (acknowledged + 1)) != b"+OK":
            raise ConnectionResetError
        acknowledged += 1
        now = time.monotonic()
        seen["acknowledged"] += 1
        seen["gap"] = max(seen["gap"], now - last)
        last = now
        time.sleep(0.001)
        continue
    except ConnectionRefusedError:
        seen["refused"] += 1
    except TimeoutError:
        seen["timeout"] += 1
    except OSError:
        seen["lost"] += 1
    if connection is not None:
        connection.close()
    connection = None
    time.sleep(0.002)

if connection is None:
    connection = socket.create_connection(address, 20)
    stream = connection.makefile("rb")
missing = [n for n in range(1, acknowledged + 1) if ask(b"GET", b"key:%d" % n) != b"value:%d" % n]
print(json.dumps({"acknowledged": acknowledged, "missing": missing[:20], "size": int(ask(b"DBSIZE")[1:])}), flush=True)
