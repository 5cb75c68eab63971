"""Databases that are written to while their plans are tried, with the keys of packaging/consistency.

What was acknowledged before the trial began has to be in the copy, and the copy whole by what its own tools say."""

import subprocess
import threading

from databases import MariaDB, PostgreSQL, Redis
from proof import PATH, Failure


class Written:
    """Of a service: a writer that never rests while the plan is tried. `write` adds one row and comes back once it is acknowledged."""

    acknowledged = 0
    isWriting = False
    # Written while the plan was tried.
    meanwhile = 0

    def observed(self):
        for _ in range(100):
            self.write()
        self.before = self.acknowledged
        self.isWriting, self.error = True, None
        self.writer = threading.Thread(target=self.go_on)
        self.writer.start()

    def go_on(self):
        try:
            while self.isWriting:
                self.write()
        except (Failure, OSError, subprocess.SubprocessError) as error:
            self.error = error

    def tried(self):
        self.isWriting = False
        self.writer.join()
        self.meanwhile = self.acknowledged - self.before

    def look(self, checks, root):
        checks(self.error is None and self.meanwhile > 20, f"{self.name}: the original was written to while its plan was tried, and never failed",
               self.error or f"{self.meanwhile} rows")
        count = int((self.scratch / "count").read_text().split()[-1])
        checks(self.before <= count <= self.acknowledged,
               f"{self.name}: the copy has what was acknowledged before the trial, and nothing that was not",
               f"{self.before} <= {count} <= {self.acknowledged}")

    def session(self, *words):
        """A client that takes lines, and prints one for each."""
        self.client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=PATH)

    def line(self, text, answer):
        self.client.stdin.write(text + "\n")
        self.client.stdin.flush()
        said = self.client.stdout.readline().strip()
        if said != answer:
            raise Failure(f"{self.name}: {text}: {said}")

    def remove(self):
        if getattr(self, "client", None):
            self.client.kill()
            self.client.communicate()
        super().remove()


class PostgreSQLWritten(Written, PostgreSQL):
    name = "postgresql-written"
    consistency = "postgresql.yaml"
    surroundings = {"PGPORT": str(PostgreSQL.port)}
    isObserved = False

    def start(self):
        super().start()
        self.session("env", "PGPASSWORD=proof", "psql", "-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-p", str(self.port), "-U", "proof", "-d", "proof")
        self.line("create table written (n int primary key, filling text); select 'made';", "made")

    def write(self):
        self.line(f"insert into written values ({self.acknowledged + 1}, repeat('x', 500)) returning 'in';", "in")
        self.acknowledged += 1

    @property
    def check(self):
        line = f"{self.ask('psql -X -q -A -t')} -c 'select 1'"
        if self.isWriting:
            # Each number up to the last: an index that lost one, or a heap that did, shows. pg_dump reads every row.
            line = (f"{self.ask('pg_dump')} > {self.scratch}/dump.sql && {self.ask('psql -X -q -A -t')} "
                    "-c 'select count(*) = max(n) and count(distinct n) = max(n) from written' | grep -qx t && "
                    f"{self.ask('psql -X -q -A -t')} -c 'select count(*) from written' > {self.scratch}/count")
        return line


class MariaDBWritten(Written, MariaDB):
    """Two tables: InnoDB recovers what is acknowledged, MyISAM may have to be repaired and then has what was written."""

    name = "mariadb-written"
    consistency = "mariadb.yaml"
    # The shipped command asks the socket that Debian's settings name.
    socket = "/run/mysqld/mysqld.sock"

    def make(self):
        self.place(self.socket)
        super().make()

    def start(self):
        super().start()
        self.session("mariadb", "-h", "127.0.0.1", "-P", str(self.port), "-u", "proof", "-pproof", "-N", "-s", "-n", "proof")
        self.line("create table written (n int primary key, filling text) engine=InnoDB; "
                  "create table beside (n int primary key, filling text) engine=MyISAM; select 'made';", "made")

    def write(self):
        number = self.acknowledged + 1
        self.line(f"insert into written values ({number}, repeat('x', 500)); insert into beside values ({number}, repeat('y', 500)); "
                  "select 'in';", "in")
        self.acknowledged += 1

    @property
    def check(self):
        line = f"{self.ask('mariadb')} -e 'select 1'"
        if self.isWriting:
            line = (f"{self.ask('mariadb-check')} --extended proof | tee {self.scratch}/checked | grep -v OK$ | grep -q . ; "
                    f"{self.ask('mariadb')} -N proof -e 'select count(*) = max(n) from written' | grep -qx 1 && "
                    f"{self.ask('mariadb')} -N proof -e 'select count(*) from beside' > {self.scratch}/beside && "
                    f"{self.ask('mariadb')} -N proof -e 'select count(*) from written' > {self.scratch}/count")
        return line

    def observed(self):
        Written.observed(self)

    def look(self, checks, root):
        super().look(checks, root)
        said = (self.scratch / "checked").read_text()
        checks.say(f"      {' '.join(said.split())}")
        checks("proof.written OK" in " ".join(said.split()), "mariadb-written: mariadb-check finds the InnoDB table whole")
        beside = int((self.scratch / "beside").read_text())
        checks(self.before <= beside <= self.acknowledged + 1, "mariadb-written: the MyISAM table has every row of before the trial too",
               f"{self.before} <= {beside} <= {self.acknowledged + 1}")


class RedisWritten(Written, Redis):
    """Without an append-only file: its data are what the hook saved."""

    name = "redis-written"
    consistency = "redis.yaml"
    # The shipped command asks the port that redis-cli asks.
    port = 6379

    def make(self):
        super().make()
        settings = self.places[-1]
        settings.write_text(settings.read_text().replace("appendonly yes", 'save ""'))

    def work(self):
        super().work()
        self.acknowledged = self.written

    def observed(self):
        self.session("redis-cli", "-p", str(self.port))
        super().observed()

    def write(self):
        self.line(f"set key:{self.acknowledged} value:{self.acknowledged}", "OK")
        self.acknowledged += 1

    @property
    def check(self):
        line = f"redis-cli -p {self.port} ping | grep -q PONG"
        if self.isWriting:
            # The last key is there, so that none before it is missing.
            line += (f" && redis-cli -p {self.port} dbsize > {self.scratch}/count && "
                     f"n=$(cat {self.scratch}/count) && test \"$(redis-cli -p {self.port} get key:$((n - 1)))\" = value:$((n - 1))")
        return line
