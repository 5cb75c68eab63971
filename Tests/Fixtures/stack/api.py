#!/usr/bin/python3
"""A container's service: TCP at port 80; keeps a connection to the store and one to the host's Unix socket; writes the journal.

Arguments: the store's address, the host's socket and the journal.
"""
import socket
import socketserver
import sys

store = socket.create_connection((sys.argv[1], 6379))
host = socket.socket(socket.AF_UNIX)
host.connect(sys.argv[2])
journal = open(sys.argv[3], "a", buffering=1)


class Request(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            store.sendall(b"INCR requests\r\n")
            store.recv(100)
            host.sendall(b"x")
            host.recv(1)
            journal.write("request\n")
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server(("", 80), Request).serve_forever()
