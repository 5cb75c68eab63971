"""A few known facts: run as a program, it does them and prints each as KIND TAB PROGRAM TAB OBJECT.

Used to see whether a watcher watches at all; no time is taken here. Everything it does lasts long enough for a
watcher that looks names up in /proc afterwards.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

TIMES = 5
LONG_ENOUGH = 0.3


def run(family, folder, wrap, environment):
    """Lets a process of its own do the deeds of a family under `folder`; the facts that it caused."""
    from contract import Fact

    prepare(family, folder)
    # The real path: a program that is started by way of a link has the link's name as comm.
    interpreter = os.path.realpath(sys.executable)
    command = wrap([interpreter, "-I", "-S", __file__, family, str(folder)])
    done = subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    return Counter(Fact(*line.split("\t")) for line in done.stdout.splitlines())


def prepare(family, folder):
    if family in ("files", "software"):
        for number in range(TIMES):
            (folder / f"file-{number}").write_text("known\n")
    if family in ("processes", "software"):
        for number in range(TIMES):
            shutil.copy(os.path.realpath(shutil.which("sleep")), folder / f"child-{number}")


def open_files(folder, program):
    for number in range(TIMES):
        path = folder / f"file-{number}"
        os.close(os.open(path, os.O_RDONLY))
        print("open", program, path, sep="\t")


def start_programs(folder, program):
    children = []
    for number in range(TIMES):
        path = folder / f"child-{number}"
        children.append(os.posix_spawn(path, [str(path), str(LONG_ENOUGH)], os.environ))
        print("fork", program, "", sep="\t")
        print("exec", path.name, path, sep="\t")
    for child in children:
        os.waitpid(child, 0)


def talk(folder, program):
    """One connection each over TCP and over a unix socket, both ends in this process."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        _connect(server, socket.AF_INET)
        port = server.getsockname()[1]
        print("connect", program, f"tcp:{port}", sep="\t")
        print("accept", program, f"tcp:{port}", sep="\t")
    path = folder / "socket"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        _connect(server, socket.AF_UNIX)
        print("connect", program, f"unix:{path}", sep="\t")
        print("accept", program, f"unix:{path}", sep="\t")


def _connect(server, family):
    with socket.socket(family) as client:
        client.connect(server.getsockname())
        with server.accept()[0] as taken:
            taken.sendall(b"known")
            client.recv(5)


DEEDS = {
    "files": [open_files],
    "processes": [start_programs],
    "sockets": [talk],
    "software": [open_files, start_programs, talk],
}


def main(family, folder):
    program = os.readlink("/proc/self/exe").rsplit("/", 1)[-1][:15]
    for deed in DEEDS[family]:
        deed(Path(folder), program)
    time.sleep(LONG_ENOUGH)


if __name__ == "__main__":
    main(*sys.argv[1:])
