#!/usr/bin/python3
"""One job: taken from Redis, put down in PostgreSQL over TCP. Arguments: the ports of Redis and PostgreSQL."""
import socket
import sys

import psycopg2

with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as redis:
    redis.sendall(b"RPOP jobs\r\n")
    redis.recv(100)
database = psycopg2.connect(host="127.0.0.1", port=int(sys.argv[2]), dbname="postgres", user="stack")
with database, database.cursor() as cursor:
    cursor.execute("INSERT INTO jobs VALUES (1)")
database.close()
