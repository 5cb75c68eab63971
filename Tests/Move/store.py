"""A service with much data that never takes a byte on trust: each block says what it is, and is checked whenever it is read.

    store.py PORT FOLDER

A block has its version (8 bytes), then the SHA-256 of its file, number and version, over and over. From the first line of a
client on, eight threads read blocks and two write new versions. A client that sends a line gets a number and the host's name;
`stats` gets what was seen so far, `audit` the same after every block was read."""

import errno
import hashlib
import json
import os
import random
import socket
import sys
import threading
import time

BLOCK = 4096


def block(file, number, version):
    digest = hashlib.sha256(f"{file}/{number}/{version}".encode()).digest()
    return version.to_bytes(8, "little") + (digest * (BLOCK // 32))[:BLOCK - 8]


def make(folder, files, blocks):
    os.makedirs(folder, exist_ok=True)
    for file in range(files):
        with open(f"{folder}/{file}.data", "wb") as out:
            for number in range(blocks):
                out.write(block(file, number, 0))


class Store:
    def __init__(self, folder):
        self.names = sorted(name for name in os.listdir(folder) if name.endswith(".data"))
        self.files = [os.open(f"{folder}/{name}", os.O_RDWR) for name in self.names]
        self.sizes = [os.fstat(file).st_size // BLOCK for file in self.files]
        self.known = {}
        self.locks = [threading.Lock() for _ in range(64)]
        self.seen = {"reads": 0, "writes": 0, "zeros": 0, "wrong": 0, "stale": 0, "denied": 0, "longest": 0.0}
        self.lock = threading.Lock()
        self.has_begun = False

    def count(self, **figures):
        with self.lock:
            for key, value in figures.items():
                self.seen[key] = max(self.seen[key], value) if key == "longest" else self.seen[key] + value

    def touch(self, index, number, writes=False):
        file = int(self.names[index].split(".")[0])
        with self.locks[(index * 31 + number) % 64]:
            begin = time.monotonic()
            try:
                found = os.pread(self.files[index], BLOCK, number * BLOCK)
                version = int.from_bytes(found[:8], "little")
                if not any(found):
                    self.count(zeros=1)
                elif found != block(file, number, version):
                    self.count(wrong=1)
                elif version < self.known.get((index, number), 0):
                    self.count(stale=1)
                elif writes:
                    version += 1
                    if os.pwrite(self.files[index], block(file, number, version), number * BLOCK) != BLOCK:
                        raise OSError(errno.EIO, "short")
                    self.known[index, number] = version
                    self.count(writes=1)
                self.count(reads=1)
            except OSError:
                self.count(denied=1)
            self.count(longest=time.monotonic() - begin)

    def work(self, writes):
        choice = random.Random()
        while True:
            index = choice.randrange(len(self.files))
            self.touch(index, choice.randrange(self.sizes[index]), writes)
            time.sleep(0.002)

    def begin(self):
        with self.lock:
            has_begun, self.has_begun = self.has_begun, True
        if not has_begun:
            for writes in [False] * 8 + [True] * 2:
                threading.Thread(target=self.work, args=(writes,), daemon=True).start()

    def audit(self):
        for index, size in enumerate(self.sizes):
            for number in range(size):
                self.touch(index, number)


def serve(port, folder):
    store = Store(folder)
    server = socket.create_server(("", port), backlog=64)
    count = 0

    def answer(connection):
        nonlocal count
        with connection:
            try:
                connection.settimeout(600)
                asked = connection.recv(64).strip()
                if asked:
                    store.begin()
                if asked == b"audit":
                    store.audit()
                if asked in (b"audit", b"stats"):
                    connection.sendall(json.dumps(store.seen).encode() + b"\n")
                else:
                    count += 1
                    connection.sendall(f"{count} {socket.gethostname()}\n".encode())
            except OSError:
                pass

    while True:
        threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
