#!/usr/bin/python3
"""Sends a datagram ten times a second over a connected UDP socket. Argument: the port."""
import socket
import sys
import time

meter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
meter.connect(("127.0.0.1", int(sys.argv[1])))
while True:
    try:
        meter.send(b"load:1|g")
    except ConnectionRefusedError:
        pass
    time.sleep(0.1)
