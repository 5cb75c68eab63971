"""Readers that go on: `spread_client.py ADDRESS PORT THREADS`.

Each request by a connection of its own, with a number of its own, which its answer has to have. Lines on standard input: `mark` has all rest for a
moment and prints what was seen since the last one, as a line of JSON."""

import collections
import itertools
import json
import socket
import sys
import threading
import time

address = (sys.argv[1], int(sys.argv[2]))
numbers = itertools.count()
go, lock = threading.Event(), threading.Lock()
idle = threading.Semaphore(0)
seen = collections.Counter()
hosts = collections.Counter()
answers = set()


def ask(number):
    with socket.create_connection(address, 10) as connection:
        connection.settimeout(10)
        connection.sendall(b"GET /n%d HTTP/1.0\r\n\r\n" % number)
        text = b""
        while piece := connection.recv(4096):
            text += piece
    host, began, count, path = text.split(b"\r\n\r\n", 1)[1].decode().split()
    if path != f"/n{number}":
        raise ValueError(path)
    return host, began, count


def read():
    while True:
        if not go.is_set():
            idle.release()
            go.wait()
        number = next(numbers)
        with lock:
            seen["requests"] += 1
        # The ports of one client come to an end.
        time.sleep(0.004)
        try:
            answer = ask(number)
            with lock:
                seen["answers"] += 1
                seen["twice"] += answer in answers
                answers.add(answer)
                hosts[answer[0]] += 1
        except (OSError, IndexError, ValueError) as error:
            with lock:
                seen["lost"] += 1
                seen[f"lost: {type(error).__name__}"] += 1


threads = [threading.Thread(target=read, daemon=True) for _ in range(int(sys.argv[3]))]
for thread in threads:
    thread.start()
for thread in threads:
    idle.acquire()
go.set()
for line in sys.stdin:
    go.clear()
    for thread in threads:
        idle.acquire()
    print(json.dumps({"lost": 0, "twice": 0, **seen, "hosts": hosts}), flush=True)
    seen.clear()
    hosts.clear()
    go.set()
