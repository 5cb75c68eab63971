"""Sends numbered lines over each connection, a hundred a second, until the other side closes.

    streamer.py PORT [groups ADDRESS]

With `groups` it has a socket of IPv4 that is in 239.7.7.7, and in 232.7.7.7 for datagrams of 10.77.0.254 at the interface with ADDRESS, and one of IPv6 in ff15::7, of which it
reads neither."""

import socket
import struct
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


def join():
    interface = socket.if_nametoindex("eth0")
    four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    four.bind(("", 7007))
    four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4si", socket.inet_aton("239.7.7.7"), bytes(4), interface))
    # IP_ADD_SOURCE_MEMBERSHIP, by the address of the interface.
    four.setsockopt(socket.IPPROTO_IP, 39, b"".join(map(socket.inet_aton, ("232.7.7.7", sys.argv[3], "10.77.0.254"))))
    six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    six.bind(("::", 7007))
    six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, socket.inet_pton(socket.AF_INET6, "ff15::7") + struct.pack("I", interface))
    return four, six


kept = join() if len(sys.argv) > 2 else ()
server = socket.create_server(("", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
