"""A service that is easy to hold to its word: it counts, and each count is on the disk before it is answered.

    counter.py PORT FOLDER [DELAY]

A client sends a line and gets the next number; numbers are contiguous over all of its lives. Files beside it are read at
its start, and have to be there."""

import os
import socket
import sys
import time

port, folder = int(sys.argv[1]), sys.argv[2]
time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0)
path = os.path.join(folder, "count")
count = int(open(path).read() or 0) if os.path.exists(path) else 0
file = open(path, "r+" if os.path.exists(path) else "w+")
server = socket.create_server(("", port), backlog=64)
while True:
    connection, _ = server.accept()
    with connection:
        try:
            connection.settimeout(5)
            if not connection.recv(64):
                continue
            count += 1
            file.seek(0)
            file.write(str(count))
            file.flush()
            os.fsync(file.fileno())
            connection.sendall(f"{count} {socket.gethostname()}\n".encode())
        except OSError:
            pass
