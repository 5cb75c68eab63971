#!/usr/bin/python3
"""The application: HTTP over a Unix socket; Redis and PostgreSQL, kept open; a datagram of each order for the meter, a line for the log.

Arguments: the folder of the stack, the port of Redis, the port of the meter.
"""
import http.server
import os
import socket
import socketserver
import sys

import psycopg2

folder, redis_port, meter_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
redis = socket.create_connection(("127.0.0.1", redis_port))
database = psycopg2.connect(host=folder + "/run", dbname="postgres", user="stack")
database.autocommit = True
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.connect(folder + "/run/log.sock")
meter = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


class Orders(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        redis.sendall(b"LPUSH jobs %d\r\n" % os.getpid())
        redis.recv(100)
        with database.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s)", (self.path,))
        log.send(b"order")
        meter.sendto(b"orders:1|c", ("127.0.0.1", meter_port))
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def address_string(self):
        return "client"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


server = Server(folder + "/run/app.sock", Orders)
os.chmod(folder + "/run/app.sock", 0o666)
server.serve_forever()
