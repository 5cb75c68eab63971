"""Readers that go on: `spread_client.py ADDRESS PORT THREADS`.

Each request by a connection of its own, with a number of its own, which its answer has to have. Lines on standard input: `mark` has all rest for a
moment and prints what was seen since the last one, as a line of JSON, with when the last one that was lost had begun; `slow N` begins so many requests whose answers take four
seconds, beside the others; `slowly` waits for these and prints what became of them."""

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


def ask(path):
    with socket.create_connection(address, 10) as connection:
        connection.settimeout(10)
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        text = b""
        while piece := connection.recv(4096):
            text += piece
    host, began, count, asked = text.split(b"\r\n\r\n", 1)[1].decode().split()
    if asked != path:
        raise ValueError(asked)
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
        begin = time.time()
        try:
            answer = ask(f"/n{number}")
            with lock:
                seen["answers"] += 1
                seen["twice"] += answer in answers
                answers.add(answer)
                hosts[answer[0]] += 1
        except (OSError, IndexError, ValueError) as error:
            with lock:
                seen["lost"] += 1
                seen["last_lost"] = max(seen["last_lost"], begin)
                seen[f"lost: {type(error).__name__}"] += 1


def read_slowly(number, results):
    try:
        results.append(ask(f"/slow/{number}")[0])
    except (OSError, IndexError, ValueError) as error:
        results.append(f"lost: {error!r}")


slow, results = [], []
threads = [threading.Thread(target=read, daemon=True) for _ in range(int(sys.argv[3]))]
for thread in threads:
    thread.start()
for thread in threads:
    idle.acquire()
go.set()
for line in sys.stdin:
    if line.startswith("slow "):
        slow = [threading.Thread(target=read_slowly, args=(number, results)) for number in range(int(line.split()[1]))]
        for thread in slow:
            thread.start()
        # The first packets are on their way.
        time.sleep(1)
        print("{}", flush=True)
        continue
    if line.startswith("slowly"):
        for thread in slow:
            thread.join()
        print(json.dumps(results), flush=True)
        results.clear()
        continue
    go.clear()
    for thread in threads:
        idle.acquire()
    print(json.dumps({"lost": 0, "twice": 0, **seen, "hosts": hosts}), flush=True)
    seen.clear()
    hosts.clear()
    go.set()
