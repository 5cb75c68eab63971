"""What CRIU restores a program without: set again behind the restore, or left out because somebody says so."""

import ctypes
import json
import os
import socket
import struct
import subprocess
import time

from lab import Lab, until
from live import Piped, Streamer, seen
from services import PYTHON

LIBC = ctypes.CDLL(None, use_errno=True)
# System calls, on x86-64 and on aarch64.
IOPRIO_SET, IOPRIO_GET = {"x86_64": (251, 252), "aarch64": (30, 31)}[os.uname().machine]
PIDFD_GETFD = 438
# <linux/tcp.h>
USER_TIMEOUT, DEFER_ACCEPT, CONGESTION = 18, 9, 13
# A datagram to a group, from an address of IPv4 or an interface.
SEND = """
import socket, sys
group, by, text = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in group else socket.AF_INET, socket.SOCK_DGRAM)
if ":" in group:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(by))
else:
    s.bind((by, 0))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(by))
s.sendto(text.encode(), (group, 7007))
"""


def call(number, *words):
    result = LIBC.syscall(number, *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def sockets(pid, kind=socket.SOCK_STREAM):
    """(descriptor, a duplicate) of each TCP socket of a process, or UDP socket."""
    handle = os.pidfd_open(pid)
    try:
        for number in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
            if os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                copy = socket.socket(fileno=call(PIDFD_GETFD, handle, number, 0))
                with copy:
                    if copy.type == kind and copy.family in (socket.AF_INET, socket.AF_INET6):
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


class Grouped(Streamer):
    """It is in groups of multicast."""

    after = "groups 10.77.0.1"

    def heard(self, host, group, by, sender=None):
        """Whether what is sent to a group comes to the program: from the switch, or from a host."""
        text = f"{group} {time.monotonic()}"
        if sender:
            sender.run(PYTHON, "-c", SEND, group, by, text)
        else:
            self.lab.client(PYTHON, "-c", SEND, group, by, text, stdin=subprocess.DEVNULL).wait(timeout=10)
        family = socket.AF_INET6 if ":" in group else socket.AF_INET
        for _, copy in sockets(self.pid(host), socket.SOCK_DGRAM):
            if copy.family != family:
                continue
            # The program is in no call with it.
            copy.settimeout(1)
            try:
                while copy.recv(200) != text.encode():
                    pass
                return True
            except TimeoutError:
                return False
            finally:
                copy.setblocking(True)
        return False

    def groups(self, host, other):
        """Of each of its memberships whether datagrams come by it, the last one of a source that it does not take."""
        return [self.heard(host, "239.7.7.7", "10.77.0.254"), self.heard(host, "232.7.7.7", "10.77.0.254"),
                self.heard(host, "ff15::7", "switch"), self.heard(host, "232.7.7.7", other.address, other)]


def memberships(checks):
    """Groups of multicast, of one family and source or another, to and fro; and at an interface that the destination has not."""
    with Lab("alpha", "beta") as lab:
        made = Grouped(lab)
        try:
            client = made.client()
            for host in lab.hosts:
                until(lambda: "fe80" in host.run("ip", "-6", "addr", "show", "dev", "eth0", "-tentative"), 5)
            until(lambda: "fe80" in lab.command("ip", "-6", "addr", "show", "dev", "switch", "-tentative"), 5)
            found = made.groups(lab.alpha, lab.beta)
            checks(found == [True, True, True, False], "datagrams of each group come to it, of a source that it does not take none", found)
            for number in (1, 2):
                here, there = (lab.alpha, lab.beta) if number == 1 else (lab.beta, lab.alpha)
                if made.moved(checks, number):
                    found = made.groups(there, here)
                    checks(found == [True, True, True, False], f"so they do after move {number}", found)
            lab.alpha.run("ip", "link", "add", "only", "type", "bridge")
            lab.alpha.run("ip", "link", "set", "only", "up")
            number = json.loads(lab.alpha.run("ip", "-j", "link", "show", "only"))[0]["ifindex"]
            for _, copy in sockets(made.pid(lab.alpha), socket.SOCK_DGRAM):
                if copy.family == socket.AF_INET:
                    copy.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                    struct.pack("4s4si", socket.inet_aton("239.7.7.9"), bytes(4), number))
            done = made.move("run", "--yes")
            checks(done.returncode != 0 and "239.7.7.9 at only" in done.stderr and made.where() == {"alpha"},
                   "a group at an interface that the destination has not: undone, with its name", done.stderr[-300:])
            done = made.move("run", "--yes", "--lose", "multicast")
            checks(done.returncode == 0 and until(lambda: made.where() == {"beta"}, 10), "moved without its groups where somebody says so",
                   done.stderr[-300:] if done.returncode else "")
            found = made.groups(lab.beta, lab.alpha)
            checks(not any(found), "which it is not in any more", found)
            text, numbers, gap, wrong, errors = seen(client)
            checks(text == "open" and wrong == 0 and numbers > 100, "the client has each number once, in order, by one connection",
                   f"{text}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        finally:
            made.end()


def live_put_back(checks):
    memberships(checks)
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
