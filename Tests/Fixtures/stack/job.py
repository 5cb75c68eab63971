#!/usr/bin/python3
"""A job that is soon done: a line in the journal, a value in the store. Arguments: the store's address and the journal."""
import socket
import sys

with socket.create_connection((sys.argv[1], 6379)) as store:
    store.sendall(b"INCR jobs\r\n")
    store.recv(100)
with open(sys.argv[2], "a") as journal:
    journal.write("job\n")
