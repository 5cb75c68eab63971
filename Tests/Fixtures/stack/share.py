#!/usr/bin/python3
"""Holds a POSIX shared memory object and a System V segment. Arguments: the object's name and the segment's key."""
import ctypes
import mmap
import os
import sys
import time

object = os.open("/dev/shm/" + sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
os.ftruncate(object, 4096)
memory = mmap.mmap(object, 4096)
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(int(sys.argv[2]), 4096, 0o1600)
assert segment >= 0 and libc.shmat(segment, None, 0) != ctypes.c_void_p(-1).value
while True:
    memory[0] = 1
    time.sleep(1)
