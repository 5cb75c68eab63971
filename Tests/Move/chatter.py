"""A server of large answers, and a client that asks without a pause.

    chatter.py serve PORT
    chatter.py ask ADDRESS PORT

The client counts what it was answered in /srv/client/count."""

import socket
import sys
import threading
import time

ANSWER = b"x" * 50_000


def serve(connection):
    with connection:
        while connection.recv(1):
            connection.sendall(ANSWER)


if sys.argv[1] == "serve":
    server = socket.create_server(("0.0.0.0", int(sys.argv[2])), backlog=64)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
count = 0
while True:
    try:
        with socket.create_connection((sys.argv[2], int(sys.argv[3])), 2) as connection:
            connection.settimeout(2)
            while True:
                connection.sendall(b".")
                rest = len(ANSWER)
                while rest:
                    part = connection.recv(rest)
                    if not part:
                        raise OSError("closed")
                    rest -= len(part)
                count += 1
                with open("/srv/client/count", "w") as file:
                    file.write(str(count))
                time.sleep(0.02)
    except OSError:
        time.sleep(0.05)
