"""Real servers under load of a real client, on a loopback port of their own."""

import os
import pwd
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from contract import Fact, comm
from . import ports
from .programs import SOURCES
from .software import Software, real


def served(kind, port, user, server, client):
    """Starts `server`, waits until it answers, runs `client`, ends the server; prints what the client measured."""
    return [sys.executable, "-I", "-S", str(SOURCES / "serve.py"), kind, str(port), user, *server, "--", *client]


NGINX = """\
user root;
daemon off;
worker_processes 1;
pid {place}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {place}/html;
    }}
}}
"""


class Nginx(Software):
    """A small static file, asked for by eight connections at once for some seconds. How many requests that gives is
    known afterwards, so `operations` is only the number from which the seconds are taken."""

    needs = ("nginx", "wrk")
    packages = ("nginx-light", "wrk")
    requests_in_a_second = 10_000

    def __init__(self, name, operation, keep_alive):
        super().__init__(name, operation, self.requests_in_a_second, self.requests_in_a_second)
        self.keep_alive = keep_alive

    def file(self, folder):
        return self.place(folder) / "html" / "file"

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        place = self.place(folder)
        ports.pick(place)
        self.file(folder).parent.mkdir(exist_ok=True)
        self.file(folder).write_text("0123456789abcdef" * 64)
        (place / "nginx.conf").write_text(NGINX.format(place=place, port=ports.picked(place)))

    def command(self, folder, operations):
        place = self.place(folder)
        port = ports.picked(place)
        seconds = max(1, operations // self.requests_in_a_second)
        server = [real("nginx"), "-p", str(place), "-e", f"{place}/error.log", "-c", f"{place}/nginx.conf"]
        client = [real("wrk"), "-t1", "-c8", f"-d{seconds}s", f"http://127.0.0.1:{port}/file"]
        if not self.keep_alive:
            client[1:1] = ["-H", "Connection: close"]
        return served("wrk", port, "root", server, client)

    def caused(self, folder, operations):
        server = f"tcp:{ports.picked(self.place(folder))}"
        return Counter({
            Fact("exec", "nginx", real("nginx")): 1,
            Fact("fork", "nginx", ""): 1,
            Fact("open", "nginx", f"{self.place(folder)}/nginx.conf"): 1,
            Fact("open", "nginx", str(self.file(folder))): 1,
            Fact("accept", "nginx", server): 1,
            Fact("exec", "wrk", real("wrk")): 1,
            Fact("connect", "wrk", server): 1,
        })


class PostgreSQL(Software):
    """Select-only transactions, each over a new connection, for which the server forks a process."""

    packages = ("postgresql",)
    user = "postgres"
    clients = 2

    def binary(self, name):
        """Debian's commands are scripts that look for the version; these are the programs themselves."""
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        return os.path.realpath(found[-1]) if found else None

    def missing(self):
        if self.binary("postgres") is None or self.binary("pgbench") is None:
            return "not installed: postgresql"
        try:
            pwd.getpwnam(self.user)
        except KeyError:
            return f"there is no user {self.user}, and its server refuses to run as root"
        return super().missing()

    def prepare(self, folder, operations):
        super().prepare(folder, operations)
        place = self.place(folder)
        ports.pick(place)
        if (place / "filled").exists():
            return
        data = place / "data"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(mode=0o700)
        shutil.chown(data, self.user, self.user)
        as_user = {"user": self.user, "group": self.user, "extra_groups": [], "cwd": "/", "check": True,
                   "stdout": subprocess.DEVNULL}
        if subprocess.run(["test", "-w", str(data)], **(as_user | {"check": False})).returncode != 0:
            raise RuntimeError(f"the user {self.user} has no way to {data}: the folders above it are closed")
        subprocess.run([self.binary("initdb"), "-D", str(data), "-N", "-A", "trust", "-U", self.user,
                        "--no-locale", "-E", "UTF8"], **as_user)
        fill = [self.binary("pgbench"), *self.connection(place), "-i", "-q", "-s", "1"]
        subprocess.run(self.served("silent", place, fill), check=True, stderr=subprocess.DEVNULL)
        (place / "filled").touch()

    def connection(self, place):
        return ["-h", "127.0.0.1", "-p", str(ports.picked(place)), "-U", self.user]

    def served(self, kind, place, client):
        port = ports.picked(place)
        settings = {"unix_socket_directories": "", "fsync": "off", "autovacuum": "off", "shared_buffers": "32MB",
                    "logging_collector": "off", "log_min_messages": "panic"}
        server = [self.binary("postgres"), "-D", str(place / "data"), "-h", "127.0.0.1", "-p", str(port)]
        for setting, value in settings.items():
            server += ["-c", f"{setting}={value}"]
        return served(kind, port, self.user, server, [*client, "postgres"])

    def command(self, folder, operations):
        place = self.place(folder)
        return self.served("pgbench", place, [
            self.binary("pgbench"), *self.connection(place), "-n", "-S", "-C", "-c", str(self.clients),
            "-t", str(operations // self.clients)])

    def caused(self, folder, operations):
        place = self.place(folder)
        server = f"tcp:{ports.picked(place)}"
        postgres, pgbench = self.binary("postgres"), self.binary("pgbench")
        return Counter({
            Fact("exec", comm(postgres), postgres): 1,
            Fact("exec", comm(pgbench), pgbench): 1,
            Fact("fork", comm(postgres), ""): operations,
            Fact("accept", comm(postgres), server): operations,
            Fact("connect", comm(pgbench), server): operations,
            Fact("open", comm(postgres), f"{place}/data/global/pg_control"): 1,
            Fact("open", comm(postgres), f"{place}/data/PG_VERSION"): 1,
        })


WORKLOADS = [
    Nginx("nginx", "request, each over a new connection", keep_alive=False),
    Nginx("nginx-keepalive", "request, over eight connections", keep_alive=True),
    PostgreSQL("postgresql", "transaction, each over a new connection", 400, 100),
]
