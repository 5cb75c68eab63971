"""Programs of several processes that share memory, moved alive to and fro with their connections.

At a move each connection is one of its own that is never opened again: what is lost shows."""

import contextlib
import os
import re
import signal
import subprocess
import time

from lab import Failure, Lab, until
from live import LiveHosts, build
from planning import observed_plan
from postgresql import Bank
from services import SERVICE_ADDRESS, plan

# So many connections ask without a pause, each the next when it has its answer; a line of standard input ends it.
CLIENT = r'''
import re, select, socket, sys, threading, time
address, port, kind, count = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
asked, lost, wrong, gap, end = [0] * count, [], [], [0.0] * count, threading.Event()

def redis(stream, worker, number):
    stream.write(b"*2\r\n$4\r\nINCR\r\n$%d\r\nw%d\r\n" % (len(b"w%d" % worker), worker)); stream.flush()
    return stream.readline() == b":%d\r\n" % number

def http(stream, worker, number):
    stream.write(b"GET /%d.html HTTP/1.1\r\nHost: shop\r\n\r\n" % (number % 40)); stream.flush()
    length = None
    line = stream.readline()
    if line != b"HTTP/1.1 200 OK\r\n": return False
    while (head := stream.readline().strip()):
        if head.lower().startswith(b"content-length:"): length = int(head.split(b":")[1])
    return stream.read(length) == b"page %d\n" % (number % 40) * 50

def work(worker):
    try:
        c = socket.create_connection((address, port), 10); c.settimeout(120)
        stream = c.makefile("rwb")
        number, last = 0, time.monotonic()
        while not end.is_set():
            number += 1
            if not {"redis": redis, "http": http}[kind](stream, worker, number):
                wrong.append((worker, number)); return
            now = time.monotonic(); gap[worker] = max(gap[worker], now - last); last = now
            asked[worker] = number
            time.sleep(0.02)
    except Exception as error: lost.append((worker, str(error)))

threads = [threading.Thread(target=work, args=(worker,)) for worker in range(count)]
for t in threads: t.start()
for line in sys.stdin:
    print(sum(asked), min(asked), flush=True)
    if line.strip() == "end": break
end.set()
for t in threads: t.join()
print(sum(asked), len(lost), len(wrong), max(gap), (lost + wrong)[:2])
'''


class Clients:
    """Some connections from the switch."""

    def __init__(self, lab, port, kind, count):
        self.process = lab.client("/usr/bin/python3", "-u", "-c", CLIENT, SERVICE_ADDRESS, port, kind, count, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def asked(self):
        """How much was asked by all, and by the one that has asked least."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()]

    def end(self):
        out, errors = self.process.communicate("end\n", timeout=180)
        words = out.splitlines()[-1].split(maxsplit=4) if out else []
        if len(words) < 5:
            raise Failure(f"the clients: {errors[-500:]}")
        return int(words[0]), int(words[1]), int(words[2]), float(words[3]), words[4]

    def kill(self):
        self.process.kill()
        self.process.communicate()


CONNECTIONS = 20


def under_connections(checks, service, kind, quick):
    """Twenty moves of a service to and fro under connections that ask it in its way; in short two."""
    times = 2 if quick else 20
    with Lab("alpha", "beta") as lab:
        made = service(lab)
        clients = None
        try:
            clients = Clients(lab, made.port, kind, CONNECTIONS)
            until(lambda: clients.asked()[1] > 5, 20, 0.2)
            for number in range(1, times + 1):
                before = clients.asked()[1]
                if not made.moved(checks, number):
                    break
                checks(until(lambda: clients.asked()[1] > before + 5, 60, 0.2), f"move {number}: each of {CONNECTIONS} connections goes on")
            total, lost, wrong, gap, said = clients.end()
            checks(lost == wrong == 0 and total > 0,
                   f"{made.name}: none of {CONNECTIONS} connections is lost in {times} moves, no answer is wrong",
                   f"{total} answers, {lost} lost, {wrong} wrong, the longest gap {gap:.2f} s {said if lost or wrong else ''}")
            found = len(list(made.found()))
            checks(found == made.processes, f"{made.name}: all of its processes are there", found)
        finally:
            if clients:
                clients.kill()
            made.end()


class Sharers(LiveHosts):
    name = "sharers"
    program = "/srv/sharers/sharers"
    memory = "/dev/shm/retinue-sharers"

    def __init__(self, lab):
        lab.alpha.run("mkdir", "-p", "/srv/sharers")
        build("sharers.c", lab.alpha.path(self.program), "-static", "-pthread")
        # Hosts of the laboratory have one /dev.
        lab.alpha.run("rm", "-f", self.memory)
        # Of another program: it is of the same namespace of System V objects, and comes as a copy.
        lab.alpha.run("ipcmk", "-M", "65536")
        super().__init__(lab, f"exec {self.program} {self.port}",
                         plan(lab.alpha, {"executable": self.program}, entries=["/srv/sharers"], ports=[self.port]))
        script = ("import socket, sys\n"
                  "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); c.settimeout(60); f = c.makefile('rw')\n"
                  "for line in sys.stdin:\n"
                  "    f.write(line); f.flush()\n"
                  "    for _ in range(2 if 'message' in line else 1): print(f.readline().strip(), flush=True)\n")
        self.client = lab.client("/usr/bin/python3", "-u", "-c", script, SERVICE_ADDRESS, self.port, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)

    def ask(self, word="state", lines=1):
        self.client.stdin.write(word + "\n")
        self.client.stdin.flush()
        return [self.client.stdout.readline().split() for _ in range(lines)]

    def end(self):
        self.client.kill()
        self.client.communicate()
        super().end()
        self.alpha.run("rm", "-f", self.memory)


def live_shm(checks, quick=False):
    """Memory of System V, of POSIX with a name and without, anonymous and of a memfd, to and fro."""
    with Lab("alpha", "beta") as lab:
        made = Sharers(lab)
        try:
            rounds = 0
            for number in range(1, 3 if quick else 6):
                if not made.moved(checks, number):
                    return
                first = made.ask()[0]
                later = until(lambda: (found := made.ask()[0]) and int(found[0]) > int(first[0]) + 10 and found, 20)
                checks(int(first[0]) >= rounds and later, f"move {number}: both go on with the number that they had", f"{rounds}, {first[0]}, then {later and later[0]}")
                rounds = int((later or first)[0])
                checks(first[1] == "0" and (later or first)[1] == "0", f"move {number}: no number is wrong, all other bytes are what they were", first)
                checks(first[2] == "1", f"move {number}: by its key and its name there is the same memory")
                checks(first[3:] == ["640", str(3 << 20), "4"], f"move {number}: mode, size and sharers of the segment", first[3:])
            found = made.ask("message", 2)[1]
            checks(found == ["8", "waiting"], "a message that waited in a queue is there", found)
        finally:
            made.end()


class LiveRedis(LiveHosts):
    name = "redis"
    program = "/usr/bin/redis-server"
    port = 6379
    processes = 1
    options = ("--start", "exec /usr/bin/redis-server /etc/redis/bank.conf", "--isolation", "chroot")

    def __init__(self, lab):
        alpha = lab.alpha
        alpha.run("install", "-d", "-o", "redis", "-g", "redis", "-m", "750", "/var/lib/bank", "/run/redis")
        alpha.write("/etc/redis/bank.conf", f"port {self.port}\nbind 0.0.0.0\nprotected-mode no\ndir /var/lib/bank\npidfile /run/redis/bank.pid\n"
                    "logfile /var/lib/bank/redis.log\nappendonly yes\nappendfsync always\n")
        alpha.run("chmod", "644", "/etc/redis/bank.conf")
        work = lambda: alpha.run("redis-cli", "-p", self.port, "SET", "work", "done")
        super().__init__(lab, f"echo $$ > {alpha.group.folder}/cgroup.procs && exec setpriv --reuid=redis --regid=redis --init-groups "
                         "/usr/bin/redis-server /etc/redis/bank.conf",
                         lambda: observed_plan(alpha, f"redis-server@{alpha.group.name}", work))

    def is_ours(self, words):
        return words[0].startswith(self.program.encode())


def live_redis(checks, quick=False):
    """Redis with an append-only file under 20 connections."""
    under_connections(checks, LiveRedis, "redis", quick)


class LiveNginx(LiveHosts):
    name = "nginx"
    program = "/usr/sbin/nginx"
    port = 8080
    # The master and its workers.
    processes = 4
    options = ("--start", "exec /usr/sbin/nginx -c /etc/nginx/shop.conf -g 'daemon off;'", "--isolation", "chroot")

    def __init__(self, lab):
        alpha = lab.alpha
        for number in range(40):
            alpha.write(f"/srv/shop/{number}.html", f"page {number}\n" * 50)
        # A zone is memory that all of them share.
        alpha.write("/etc/nginx/shop.conf",
                    "user www-data;\nworker_processes 3;\npid /run/shop.pid;\nevents {}\nhttp {\n  include mime.types;\n"
                    "  limit_req_zone $binary_remote_addr zone=all:1m rate=100000r/s;\n"
                    f"  server {{\n    listen {self.port};\n    root /srv/shop;\n    keepalive_requests 1000000;\n    keepalive_timeout 600;\n"
                    "    limit_req zone=all burst=100000 nodelay;\n    access_log /var/log/nginx/shop.log;\n  }\n}\n")
        work = lambda: alpha.run("curl", "-fs", f"http://127.0.0.1:{self.port}/7.html")
        super().__init__(lab, f"echo $$ > {alpha.group.folder}/cgroup.procs && exec /usr/sbin/nginx -c /etc/nginx/shop.conf -g 'daemon off;'",
                         lambda: observed_plan(alpha, f"nginx@{alpha.group.name}", work))

    def is_ours(self, words):
        return words[0].startswith(b"nginx: ")


def live_nginx(checks, quick=False):
    """nginx with three workers under 20 connections."""
    under_connections(checks, LiveNginx, "http", quick)


class LivePostgreSQL(LiveHosts):
    name = "bank"
    program = "/usr/lib/postgresql/15/bin/postgres"
    port = 5432
    options = ("--isolation", "chroot")

    def __init__(self, lab, scale):
        self.bank = Bank(lab.alpha, scale)
        super().__init__(lab, ":", self.bank.plan)

    def is_ours(self, words):
        return words[0] == self.program.encode() or words[0].startswith(b"postgres: ")

    def has_lock_file(self):
        """Whether `postmaster.pid` is in its folder, with its number."""
        for _, pid in self.found():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/exe").endswith(self.program) and open(f"/proc/{pid}/cmdline", "rb").read().startswith(b"/"):
                    number = next(line.split()[-1] for line in open(f"/proc/{pid}/status") if line.startswith("NSpid:"))
                    with open(f"/proc/{pid}/cwd/postmaster.pid") as file:
                        return file.readline().strip() == number
        return False


def live_postgresql(checks, quick=False):
    """PostgreSQL under pgbench with four connections: no transaction fails, and what was answered is there, once."""
    with Lab("alpha", "beta", size="4g") as lab:
        made = LivePostgreSQL(lab, 2)
        # What was done while it was observed.
        base = ask_bank(made)[0]
        times = 2 if quick else 20
        bench = None
        try:
            # It ends, and counts, when the time is over, which this has it know.
            bench = lab.client("/usr/bin/pgbench", "-h", SERVICE_ADDRESS, "-U", "postgres", "-n", "-c", 4, "-j", 2, "-R", 50, "-T", 36000, "bank",
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(2)
            for number in range(1, times + 1):
                before = ask_bank(made)[0]
                if not made.moved(checks, number):
                    break
                checks(made.has_lock_file(), f"move {number}: the postmaster has its lock file, without which it ends itself within a minute")
                checks(until(lambda: ask_bank(made)[0] > before + 20, 60, 0.3), f"move {number}: transactions go on")
                if bench.poll() is not None:
                    break
            if not checks(bench.poll() is None, "pgbench has its four connections still"):
                checks.say("".join(bench.communicate())[-1500:])
                return
            bench.send_signal(signal.SIGALRM)
            out, errors = bench.communicate(timeout=60)
            found = re.search(r"actually processed: (\d+)", out)
            failed = re.search(r"failed transactions: (\d+)", out)
            done = int(found[1]) if found else -1
            checks(bench.returncode == 0 and failed and failed[1] == "0" and done > 0, f"pgbench: no transaction fails in {times} moves",
                   f"{done} transactions, failed {failed and failed[1]} {errors[-300:]}")
            rows, *sums = ask_bank(made)
            checks(rows == base + done, "each transaction that was answered is there, once", f"{rows - base} rows of {done}")
            checks(len(set(sums)) == 1, "the sums of accounts, tellers, branches and history are equal", sums)
        finally:
            if bench:
                bench.kill()
                bench.wait()
            made.end()


def ask_bank(made):
    """The rows of the history, and the four sums, asked from the switch."""
    question = ("select count(*), (select sum(abalance) from pgbench_accounts), (select sum(tbalance) from pgbench_tellers), "
                "(select sum(bbalance) from pgbench_branches), coalesce(sum(delta), 0) from pgbench_history")
    asked = made.lab.client("/usr/bin/psql", "-X", "-A", "-t", "-F", " ", "-h", SERVICE_ADDRESS, "-U", "postgres", "-d", "bank", "-c", question,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, errors = asked.communicate(timeout=120)
    if asked.returncode:
        raise Failure(f"psql: {errors[-300:]}")
    return [int(word) for word in out.split()]
