"""Tries what programs expect of a file system, writes what came of it into a file, and then listens.

    files.py PORT FOLDER"""

import errno
import fcntl
import json
import mmap
import os
import socket
import sys

port, folder = int(sys.argv[1]), sys.argv[2]
os.chdir(folder)
found = {}


def attempt(name):
    def decorate(body):
        try:
            found[name] = body()
        except OSError as error:
            found[name] = errno.errorcode.get(error.errno, str(error))
    return decorate


@attempt("shared mapping")
def _():
    with open("mapped", "r+b") as file, mmap.mmap(file.fileno(), 8192) as area:
        number = int(area[4000:4008]) + 1
        area[4000:4008] = b"%08d" % number
        area.flush()
        file.seek(4000)
        return int(file.read(8)) == number


@attempt("shared mapping, not flushed")
def _():
    file = open("lazy", "r+b")
    area = mmap.mmap(file.fileno(), 4096)
    area[0:8] = b"%08d" % (int(area[0:8]) + 1)
    globals()["kept"] = (file, area)
    return True


@attempt("fsync, and the folder's")
def _():
    with open("synced", "wb") as file:
        file.write(b"x" * 10000)
        file.flush()
        os.fsync(file.fileno())
    where = os.open(".", os.O_RDONLY)
    os.fsync(where)
    os.close(where)
    return True


def child(body):
    """What a body does in another process: 0 it does, 1 an error."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@attempt("flock keeps another process out")
def _():
    with open("lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return child(lambda: fcntl.flock(open("lock", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)) == 1


@attempt("a record lock keeps another process out")
def _():
    with open("lock", "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        return child(lambda: fcntl.lockf(open("lock", "w"), fcntl.LOCK_EX | fcntl.LOCK_NB)) == 1


@attempt("a file without a name is read and written")
def _():
    file = open("gone", "w+b")
    os.unlink("gone")
    file.write(b"here")
    file.seek(0)
    return file.read() == b"here" and os.fstat(file.fileno()).st_nlink == 0


@attempt("O_TMPFILE")
def _():
    os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))
    return True


@attempt("rename over an open file")
def _():
    for name in ("old", "new"):
        with open(name, "w") as file:
            file.write(name)
    with open("old") as file:
        os.rename("new", "old")
        return file.read() == "old" and open("old").read() == "new"


def fresh(name):
    if os.path.lexists(name):
        os.unlink(name)
    return name


@attempt("hard link")
def _():
    open(fresh("one"), "w").close()
    os.link("one", fresh("two"))
    return os.stat("two").st_ino == os.stat("one").st_ino


@attempt("symbolic link")
def _():
    os.symlink("one", fresh("three"))
    return os.readlink("three") == "one"


@attempt("fifo")
def _():
    os.mkfifo(fresh("four"))
    pid = os.fork()
    if pid == 0:
        with open("four", "w") as file:
            file.write("through")
        os._exit(0)
    with open("four") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said == "through"


@attempt("Unix socket")
def _():
    server = socket.socket(socket.AF_UNIX)
    server.bind(fresh("five"))
    server.listen()
    socket.socket(socket.AF_UNIX).connect("five")
    return True


@attempt("Unix socket in /run")
def _():
    server = socket.socket(socket.AF_UNIX)
    server.bind(fresh("/run/files.socket"))
    server.listen()
    socket.socket(socket.AF_UNIX).connect("/run/files.socket")
    return True


@attempt("owner and mode")
def _():
    open("owned", "w").close()
    os.chown("owned", 33, 34)
    os.chmod("owned", 0o640)
    status = os.stat("owned")
    return (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (33, 34, 0o640)


@attempt("extended attribute")
def _():
    os.setxattr("owned", "user.word", b"kept")
    return os.getxattr("owned", "user.word") == b"kept"


@attempt("hole, by its blocks")
def _():
    with open("sparse", "wb") as file:
        file.seek(1 << 24)
        file.write(b"x")
    return os.stat("sparse").st_blocks * 512 < 1 << 20


@attempt("fallocate")
def _():
    with open("allocated", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 100000)
    return os.stat("allocated").st_size == 100000


with open("found.json", "w") as file:
    json.dump(found, file)
    # A machine writes the rest out when it goes off.
    file.flush()
    os.fsync(file.fileno())
server = socket.create_server(("", port))
while True:
    server.accept()[0].close()
