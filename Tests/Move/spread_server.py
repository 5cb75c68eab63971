"""A web server of some processes: `spread_server.py PORT WORKERS [LOG]`, each connection one request.

`/` is a page of 1,465 bytes, `/sum` one that takes a processor some milliseconds; `/n` answers with the host's name, when the server
was started, and which of its requests this is, by a number in memory that all its processes share. `/health` is answered with an error while
there is a file `broken` beside this one; all else is served all the same. With LOG each request is a line of that file."""

import fcntl
import mmap
import os
import signal
import socket
import struct
import sys
import time

port, workers = int(sys.argv[1]), int(sys.argv[2])
log = open(sys.argv[3], "a") if len(sys.argv) > 3 else None
# The scoreboard: it goes with the processes, and has no name.
board = mmap.mmap(-1, 4096)
lock = os.memfd_create("lock")
began = str(time.time_ns())
PAGE = b"x" * 1465
BROKEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "broken")
server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)


def count():
    fcntl.lockf(own, fcntl.LOCK_EX)
    number = struct.unpack_from("Q", board)[0] + 1
    struct.pack_into("Q", board, 0, number)
    fcntl.lockf(own, fcntl.LOCK_UN)
    return number


def body(path):
    if path == "/sum":
        total = 0
        for number in range(60_000):
            total = (total * 31 + number) % 1_000_003
        return f"{total:<1465}".encode()
    if path.startswith("/slow/"):
        time.sleep(4)
    if path.startswith(("/n", "/slow/")):
        number = count()
        if log:
            log.write(f"{number}\n")
            log.flush()
        return f"{socket.gethostname()} {began} {number} {path}".encode()
    return PAGE


def serve():
    while True:
        connection, _ = server.accept()
        with connection:
            try:
                connection.settimeout(5)
                asked = b""
                while b"\r\n\r\n" not in asked:
                    piece = connection.recv(4096)
                    if not piece:
                        break
                    asked += piece
                words = asked.split(b" ", 2)
                if len(words) < 3:
                    continue
                answer = body(words[1].decode())
                status = b"500 Broken" if words[1] == b"/health" and os.path.exists(BROKEN) else b"200 OK"
                connection.sendall(b"HTTP/1.0 " + status + b"\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            except OSError:
                pass


children = []
for _ in range(workers):
    child = os.fork()
    if child == 0:
        # A lock is its opener's: each process opens it for itself.
        own = os.open(f"/proc/self/fd/{lock}", os.O_RDWR)
        serve()
    children.append(child)


def end(*_):
    for child in children:
        os.kill(child, signal.SIGTERM)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
while True:
    signal.pause()
