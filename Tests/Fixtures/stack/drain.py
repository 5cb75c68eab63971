#!/usr/bin/python3
"""Reads a FIFO, or its standard input. Argument: the path of the FIFO, or none."""
import sys

for line in open(sys.argv[1]) if len(sys.argv) > 1 else sys.stdin:
    pass
