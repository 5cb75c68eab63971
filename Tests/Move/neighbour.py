"""A service that says what it sees of others: a counter whose number is in a file, and whose word is in a System V segment.

    neighbour.py PORT FOLDER KEY WORD

A client sends a line and gets an object: `number` (contiguous, on the disk), `word` as it was started with, `segment` and `file` as
they are read, `processes` (command lines of this program that it sees), `host`, `reached`: of the addresses in the line those on
which somebody takes a connection."""

import ctypes
import json
import os
import signal
import socket
import sys

port, folder, key, word = int(sys.argv[1]), sys.argv[2], int(sys.argv[3], 16), sys.argv[4]
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(key, 4096, 0o600 | 0o1000)
if segment < 0:
    sys.exit(f"shmget: {os.strerror(ctypes.get_errno())}")
text = ctypes.cast(libc.shmat(segment, None, 0), ctypes.POINTER(ctypes.c_char * 64))
if not text.contents.value:
    text.contents.value = word.encode()
path = os.path.join(folder, "state")
state = json.load(open(path)) if os.path.exists(path) else {"number": 0, "word": word}
file = open(path, "r+" if os.path.exists(path) else "w+")


def end(*_):
    # The segment goes with the program, as a well-behaved one's does.
    libc.shmctl(segment, 0, None)
    os._exit(0)


signal.signal(signal.SIGTERM, end)


def reaches(address):
    try:
        socket.create_connection((address, port), 0.3).close()
        return True
    except OSError:
        return False


def others():
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = open(f"/proc/{entry}/cmdline", "rb").read().split(b"\0")
            except OSError:
                continue
            if len(words) > 5 and words[1].endswith(b"neighbour.py"):
                found.append(words[5].decode())
    return found


server = socket.create_server(("", port), backlog=64)
while True:
    connection, _ = server.accept()
    with connection:
        try:
            connection.settimeout(5)
            line = connection.recv(200)
            if not line:
                continue
            state["number"] += 1
            file.seek(0)
            file.write(json.dumps(state))
            file.flush()
            os.fsync(file.fileno())
            answer = {"number": state["number"], "word": word, "segment": text.contents.value.decode(), "file": state["word"],
                      "processes": others(), "host": socket.gethostname(), "user": os.geteuid(), "groups": os.getgroups(),
                      "limit": __import__("resource").getrlimit(7)[0], "environment": os.environ.get("STRANGE", ""),
                      "capabilities": [row.split()[1] for row in open("/proc/self/status") if row.startswith("CapBnd")][0],
                      "reached": [address for address in line.decode().split() if reaches(address)]}
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass
