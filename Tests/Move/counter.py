"""A service that is easy to hold to its word: it counts, and each count is on the disk before it is answered.

    counter.py PORT FOLDER [DELAY]

A client sends a line, or a datagram, and gets the next number; numbers are contiguous over all of its lives. Files beside it
are read at its start, and have to be there."""

import os
import socket
import sys
import threading
import time

port, folder = int(sys.argv[1]), sys.argv[2]
time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0)
path = os.path.join(folder, "count")
count = int(open(path).read() or 0) if os.path.exists(path) else 0
file = open(path, "r+" if os.path.exists(path) else "w+")
lock = threading.Lock()


def following():
    global count
    with lock:
        count += 1
        file.seek(0)
        file.write(str(count))
        file.flush()
        os.fsync(file.fileno())
        return f"{count} {socket.gethostname()}\n".encode()


def serve(connection):
    with connection:
        try:
            while connection.recv(64):
                connection.sendall(following())
        except OSError:
            pass


def serve_datagrams():
    while True:
        # From the address that was asked, which need not be this host's first.
        _, asked, _, client = datagrams.recvmsg(64, 200)
        datagrams.sendmsg([following()], [(level, kind, data[:16] + b"\0" * 4) for level, kind, data in asked], 0, client)


datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
datagrams.bind(("::", port))
threading.Thread(target=serve_datagrams, daemon=True).start()
server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
