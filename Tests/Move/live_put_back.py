"""What CRIU restores a program without: set again behind the restore, or left out because somebody says so."""

import ctypes
import os
import socket
import time

from lab import Lab, until
from live import Piped, Streamer, seen

LIBC = ctypes.CDLL(None, use_errno=True)
# System calls, on x86-64 and on aarch64.
IOPRIO_SET, IOPRIO_GET = {"x86_64": (251, 252), "aarch64": (30, 31)}[os.uname().machine]
PIDFD_GETFD = 438
# <linux/tcp.h>
USER_TIMEOUT, DEFER_ACCEPT, CONGESTION = 18, 9, 13


def call(number, *words):
    result = LIBC.syscall(number, *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def sockets(pid):
    """(descriptor, a duplicate) of each TCP socket of a process."""
    handle = os.pidfd_open(pid)
    try:
        for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
            if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                copy = socket.socket(fileno=call(PIDFD_GETFD, handle, number, 0))
                with copy:
                    if copy.type == socket.SOCK_STREAM and copy.family in (socket.AF_INET, socket.AF_INET6):
                        yield number, copy
    finally:
        os.close(handle)


def threads(pid):
    """Numbers of threads here, in the order of those that they have themselves."""
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")), key=own)


def own(thread):
    with open(f"/proc/{thread}/status") as lines:
        return int(next(line for line in lines if line.startswith("NSpid")).split()[-1])


def state(pid):
    return ([(own(thread), sorted(os.sched_getaffinity(thread)), call(IOPRIO_GET, 1, thread),
              open(f"/proc/{thread}/timerslack_ns").read().strip()) for thread in threads(pid)],
            [(number, copy.getsockopt(socket.IPPROTO_TCP, USER_TIMEOUT), copy.getsockopt(socket.IPPROTO_TCP, DEFER_ACCEPT),
              copy.getsockopt(socket.IPPROTO_TCP, CONGESTION, 16).split(b"\0")[0]) for number, copy in sockets(pid)])


def live_put_back(checks):
    with Lab("alpha", "beta") as lab:
        made = Streamer(lab)
        try:
            client = made.client()
            time.sleep(0.3)
            pid = made.pid(made.alpha)
            usual = state(pid)
            first, second = threads(pid)
            os.sched_setaffinity(first, {0})
            os.sched_setaffinity(second, {1})
            # Class 2 (best effort), level 6, and class 3 (idle).
            call(IOPRIO_SET, 1, first, 2 << 13 | 6)
            call(IOPRIO_SET, 1, second, 3 << 13)
            for thread, slack in ((first, 12345), (second, 54321)):
                open(f"/proc/{thread}/timerslack_ns", "w").write(str(slack))
            for _, copy in sockets(pid):
                copy.setsockopt(socket.IPPROTO_TCP, USER_TIMEOUT, 70001)
                listens = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if listens:
                    copy.setsockopt(socket.IPPROTO_TCP, DEFER_ACCEPT, 3)
                else:
                    copy.setsockopt(socket.IPPROTO_TCP, CONGESTION, b"reno")
            before = state(pid)
            checks(all(one != other for one, other in zip(usual[0] + usual[1], before[0] + before[1])),
                   "each thread and socket has something that is set", before)
            for number in (1, 2):
                if made.moved(checks, number):
                    after = state(made.pid(made.beta if number == 1 else made.alpha))
                    checks(after == before, f"after move {number} each has what it had", after if after != before else "")
            text, numbers, gap, wrong, errors = seen(client)
            checks(text == "open" and wrong == 0 and numbers > 100, "the client has each number once, in order, by one connection",
                   f"{text}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        finally:
            made.end()
    with Lab("alpha", "beta") as lab:
        made = Piped(lab)
        try:
            done = made.move("run", "--yes")
            checks(done.returncode != 0 and "pipe" in done.stderr and "it would be lost" in done.stderr, "a pipe from outside: refused",
                   done.stderr[-300:])
            done = made.move("run", "--yes", "--lose", "multicast")
            checks(done.returncode != 0 and "pipe" in done.stderr, "refused as well where something else may be lost", done.stderr[-300:])
            done = made.move("run", "--yes", "--lose", "connection")
            checks(done.returncode != 0 and "--lose is one of pipe, shared-memory" in done.stderr, "what would not be restored cannot be lost",
                   done.stderr[-300:])
            client = made.client()
            time.sleep(0.3)
            done = made.move("run", "--yes", "--lose", "pipe", "--lose", "multicast")
            checks(done.returncode == 0 and until(lambda: made.where() == {"beta"}, 10), "moved without it where somebody says so",
                   done.stderr[-600:] if done.returncode else "")
            text, numbers, gap, wrong, errors = seen(client)
            checks(text == "open" and wrong == 0 and numbers > 10, "its client has each number once, in order, by one connection",
                   f"{text}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        finally:
            made.end()
