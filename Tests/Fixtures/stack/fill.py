#!/usr/bin/python3
"""Writes lines into a FIFO. Argument: its path."""
import sys
import time

with open(sys.argv[1], "w") as fifo:
    while True:
        print("line", file=fifo, flush=True)
        time.sleep(0.1)
