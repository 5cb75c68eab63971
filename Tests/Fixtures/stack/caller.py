#!/usr/bin/python3
"""Asks a service ten times a second over one connection, and reads the journal. Arguments: address, port and the journal."""
import socket
import sys
import time

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as service:
    while True:
        service.sendall(b"x")
        service.recv(1)
        open(sys.argv[3]).read()
        time.sleep(0.1)
