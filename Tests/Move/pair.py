"""Two programs that were started apart and talk: one counts, the other asks it for each number that its clients get.

    pair.py count              connects to 127.0.0.1:9001, and keeps 20 MiB of memory that it has written
    pair.py serve PORT         sends numbered lines to each client, a hundred a second

A number that was lost or asked for twice between them shows at the client: each stream is counted by the one that counts alone."""

import os
import socket
import sys
import threading
import time


def count():
    memory = os.urandom(20 << 20)
    expected = sum(memory[::4096])
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", 9001))
            break
        except OSError:
            time.sleep(0.05)
    counts = {}
    stream = connection.makefile("rwb")
    for line in stream:
        number = counts.get(line, 0)
        counts[line] = number + 1
        if number % 100 == 0 and sum(memory[::4096]) != expected:
            number = -1
        stream.write(b"%d\n" % number)
        stream.flush()


def serve(port):
    inner = socket.create_server(("127.0.0.1", 9001))
    counter = inner.accept()[0].makefile("rwb")
    lock = threading.Lock()
    server = socket.create_server(("", port))

    def answer(connection, stream):
        while True:
            with lock:
                counter.write(b"%d\n" % stream)
                counter.flush()
                line = counter.readline()
            try:
                connection.sendall(line)
            except OSError:
                return
            time.sleep(0.01)

    stream = 0
    while True:
        threading.Thread(target=answer, args=(server.accept()[0], stream), daemon=True).start()
        stream += 1


count() if sys.argv[1] == "count" else serve(int(sys.argv[2]))
