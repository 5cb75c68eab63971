"""Sends numbered lines over each connection, a hundred a second, until the other side closes.

    streamer.py PORT"""

import socket
import sys
import threading
import time


def serve(connection):
    number = 0
    while True:
        try:
            connection.sendall(b"%d\n" % number)
        except OSError:
            return
        number += 1
        time.sleep(0.01)


server = socket.create_server(("", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
