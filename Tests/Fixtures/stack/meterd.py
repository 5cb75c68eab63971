#!/usr/bin/python3
"""Takes datagrams of UDP, as statsd does. Argument: its port."""
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    server.recv(1000)
