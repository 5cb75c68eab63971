#!/usr/bin/python3
"""A service of the host that containers reach over a Unix socket. Argument: its path."""
import socketserver
import sys


class Request(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(1):
            self.request.sendall(data)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


Server(sys.argv[1], Request).serve_forever()
