"""A client of Redis that reconnects: `redis_client.py ADDRESS PORT`; sets one key after the other.

What was acknowledged is kept here. Lines on standard input: `mark` prints what was seen since the last mark, `check` ends the work
and reads every acknowledged key again. All answers are lines of JSON."""

import json
import socket
import sys
import time

from seen import Seen

address = (sys.argv[1], int(sys.argv[2]))
seen = Seen("acknowledged", "lost", "refused", "timeout")
connection = None
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


while seen.goes_on():
    try:
        if connection is None:
            connection = socket.create_connection(address, 20)
            connection.settimeout(20)
            stream = connection.makefile("rb")
        # The next number goes on where the acknowledged ones end: one that is in doubt is set again.
        if ask(b"SET", b"key:%d" % (acknowledged + 1), b"value:%d" % (acknowledged + 1)) != b"+OK":
            raise ConnectionResetError
        acknowledged += 1
        seen.answered("acknowledged")
        time.sleep(0.001)
        continue
    except OSError as error:
        seen.failed(error)
    if connection is not None:
        connection.close()
    connection = None
    time.sleep(0.002)

if connection is None:
    connection = socket.create_connection(address, 20)
    stream = connection.makefile("rb")
missing = [n for n in range(1, acknowledged + 1) if ask(b"GET", b"key:%d" % n) != b"value:%d" % n]
print(json.dumps({"acknowledged": acknowledged, "missing": missing[:20], "size": int(ask(b"DBSIZE")[1:])}), flush=True)
