#!/usr/bin/python3
"""Asks the front end ten times a second over one connection. Argument: the port."""
import http.client
import sys
import time

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
while True:
    connection.request("GET", "/poll")
    connection.getresponse().read()
    time.sleep(0.1)
