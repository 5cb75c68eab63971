#!/usr/bin/env python3
"""A FUSE server that fails on request; speaks the kernel's protocol itself, no library.

    fuse_server.py MOUNT [PROGRAM]

Serves a flat folder: `f0`, `f1`, ... of two bytes each, and `program`, a copy of PROGRAM. Prints `mounted`. Commands
are lines on standard input, each answered by a line:

    hang OPERATION...    leave requests of these kinds (open, read, getattr, readdir, statfs, lookup) unanswered
    error OPERATION E    answer them with errno E
    ok                   answer everything again, and what was left unanswered
    count                the opens served so far
"""

import ctypes
import errno
import os
import select
import stat
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, GETXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = (
    1, 2, 3, 14, 15, 17, 18, 22, 25, 26, 27, 28, 29)
ACCESS, INTERRUPT, DESTROY, BATCH_FORGET = 34, 36, 38, 42
NAMES = {"open": (OPEN,), "read": (READ,), "getattr": (GETATTR,), "lookup": (LOOKUP,), "statfs": (STATFS,),
         "readdir": (OPENDIR, READDIR)}
ROOT, PROGRAM, FIRST = 1, 2, 10


class Server:
    def __init__(self, mount, program):
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self.program = open(program, "rb").read() if program else b""
        self.hanging, self.errors, self.waiting, self.opens = set(), {}, [], 0
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"retinue-test", mount.encode(), b"fuse", 6, options) != 0:
            raise OSError(ctypes.get_errno(), "mount")

    def content(self, node):
        return self.program if node == PROGRAM else b"hi"

    def attributes(self, node):
        folder = node == ROOT
        mode = stat.S_IFDIR | 0o755 if folder else stat.S_IFREG | (0o755 if node == PROGRAM else 0o644)
        size = 0 if folder else len(self.content(node))
        return struct.pack("<6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 2 if folder else 1, 0, 0, 0, 4096, 0)

    def reply(self, unique, body=b"", error=0):
        try:
            os.write(self.device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # the caller was interrupted
                raise

    def answer(self, operation, unique, node, body):
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        if operation in self.errors:
            self.reply(unique, error=self.errors[operation])
        elif operation == INIT:
            _, _, readahead, _ = struct.unpack_from("<4I", body)
            self.reply(unique, struct.pack("<4I2H2I2HI7I", 7, 31, readahead, 0, 12, 9, 65536, 1, 0, 0, 0, *[0] * 7))
        elif operation == LOOKUP:
            name = body.rstrip(b"\0").decode()
            node = PROGRAM if name == "program" else FIRST + int(name[1:]) if name[1:].isdigit() else 0
            if node:
                self.reply(unique, struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + self.attributes(node))
            else:
                self.reply(unique, error=errno.ENOENT)
        elif operation == GETATTR:
            self.reply(unique, struct.pack("<QII", 0, 0, 0) + self.attributes(node))
        elif operation in (OPEN, OPENDIR):
            self.opens += operation == OPEN
            self.reply(unique, struct.pack("<QII", 0, 0, 0))
        elif operation == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            self.reply(unique, self.content(node)[offset:offset + size])
        elif operation == READDIR:
            _, offset, _ = struct.unpack_from("<QQI", body)
            names = [b".", b"..", b"f0", b"f1"][offset:]
            self.reply(unique, b"".join(
                struct.pack("<QQII", ROOT, offset + n + 1, len(name), 0) + name.ljust((len(name) + 7) // 8 * 8, b"\0")
                for n, name in enumerate(names)))
        elif operation == STATFS:
            self.reply(unique, struct.pack("<5Q4I6I", 100, 50, 50, 10, 5, 4096, 255, 4096, 0, *[0] * 6))
        elif operation in (RELEASE, RELEASEDIR, FLUSH, ACCESS, DESTROY):
            self.reply(unique)
        else:
            self.reply(unique, error=errno.ENOSYS)

    def request(self):
        data = os.read(self.device, 1 << 17)
        _, operation, unique, node = struct.unpack_from("<IIQQ", data)
        request = operation, unique, node, data[40:]
        if operation in self.hanging:
            self.waiting.append(request)
        else:
            self.answer(*request)

    def command(self, words):
        if words[0] == "hang":
            self.hanging |= {one for name in words[1:] for one in NAMES[name]}
        elif words[0] == "error":
            self.errors.update({one: int(words[2]) for one in NAMES[words[1]]})
        elif words[0] == "ok":
            self.hanging, self.errors, waiting, self.waiting = set(), {}, self.waiting, []
            for request in waiting:
                self.answer(*request)
        print(self.opens if words[0] == "count" else "done", flush=True)

    def serve(self):
        print("mounted", flush=True)
        while True:
            ready, _, _ = select.select([self.device, 0], [], [])
            if self.device in ready:
                try:
                    self.request()
                except OSError as failure:
                    if failure.errno == errno.ENODEV:  # unmounted
                        return
                    if failure.errno not in (errno.ENOENT, errno.EINTR):
                        raise
            if 0 in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self.command(line.split())


if __name__ == "__main__":
    Server(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None).serve()
