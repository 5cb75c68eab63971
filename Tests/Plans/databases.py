"""Databases: their copies hold what the originals hold."""

import subprocess

from proof import PATH, Service, run, shell, until


class PostgreSQL(Service):
    name = "postgresql"
    packages = ["postgresql-15"]
    program = "postgres@%"
    port = 55432
    cluster = "retinueproof"
    still = False

    def ask(self, *words):
        return f"PGPASSWORD=proof {' '.join(words)} -h 127.0.0.1 -p {self.port} -U proof -d proof"

    def make(self):
        for folder in ("/etc/postgresql/15", "/var/lib/postgresql/15"):
            self.place(f"{folder}/{self.cluster}")
        self.place(f"/var/log/postgresql/postgresql-15-{self.cluster}.log")
        run("pg_createcluster", "15", self.cluster, "-p", self.port)

    def start(self):
        self.spawn("pg_ctlcluster", "15", self.cluster, "start", "--skip-systemctl-redirect")
        psql = f"setpriv --reuid=postgres --regid=postgres --init-groups psql -X -q -p {self.port}"
        until(lambda: subprocess.run(["sh", "-c", f"{psql} -c 'select 1'"], capture_output=True, env=PATH).returncode == 0, 30, 0.5)
        shell(f"{psql} -c \"create role proof login password 'proof'\" -c 'create database proof owner proof'")
        shell(f"{self.ask('psql -X -q')} -c 'create table sold (id serial primary key, what text, at timestamptz)' "
              "-c \"insert into sold (what, at) select md5(n::text), '2026-01-01'::timestamptz + n * '1 s'::interval "
              "from generate_series(1, 50000) n\" -c 'create index on sold (what)'")
        self.original = self.scratch / "original.sql"

    def work(self):
        shell(f"{self.ask('psql -X -q')} -c \"insert into sold (what, at) values ('more', '2026-02-01')\" "
              "-c 'select count(*) from sold' >/dev/null")

    @property
    def check(self):
        # The original's own dump stands in the file from the first time on that it was asked for.
        line = f"{self.ask('pg_dump --restrict-key=proof')} > {self.scratch}/dump.sql && test -s {self.scratch}/dump.sql"
        return line + f" && cmp {self.scratch}/dump.sql {self.scratch}/original.sql" if self.group and self.isObserved else line

    isObserved = False

    def observed(self):
        # A server that recovers continues a sequence up to 32 further on than it was used, unless a checkpoint stands between.
        run("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-X", "-q", "-p", self.port, "-c", "checkpoint")
        shell(f"{self.ask('pg_dump --restrict-key=proof')} > {self.scratch}/original.sql")
        self.isObserved = True

    def look(self, checks, root):
        original, dump = ((self.scratch / name).read_bytes() for name in ("original.sql", "dump.sql"))
        checks(original == dump and original.count(b"\n") > 50000, "postgresql: pg_dump of the copy is the original's, byte by byte",
               f"{len(dump)} bytes, {original.count(10)} lines")


class Redis(Service):
    name = "redis"
    packages = ["redis-server", "redis-tools"]
    program = "redis-server@%"
    # It shows a title in place of its arguments.
    start_by = "/usr/bin/redis-server /etc/redis/retinue-proof.conf"
    port = 56379
    folder = "/var/lib/retinue-proof-redis"

    def make(self):
        data = self.place(self.folder)
        data.mkdir()
        run("chown", "redis:redis", data)
        settings = self.place("/etc/redis/retinue-proof.conf")
        settings.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {data}\nappendonly yes\nappendfsync always\n"
                            f"pidfile /run/redis/retinue-proof.pid\nlogfile {data}/redis.log\n")
        settings.chmod(0o644)

    def start(self):
        self.spawn("redis-server", "/etc/redis/retinue-proof.conf", user="redis")
        self.written = 0

    def work(self):
        lines = "".join(f"set key:{n} value:{n}\n" for n in range(self.written, self.written + 50))
        subprocess.run(["redis-cli", "-p", str(self.port)], input=lines, text=True, stdout=subprocess.DEVNULL, env=PATH, check=True)
        self.written += 50

    @property
    def check(self):
        last = self.written - 1
        line = f"redis-cli -p {self.port} ping | grep -q PONG"
        if self.written:
            line += f" && test $(redis-cli -p {self.port} dbsize) = {self.written}"
            line += f" && test $(redis-cli -p {self.port} get key:{last}) = value:{last}"
        return line


class MariaDB(Service):
    name = "mariadb"
    packages = ["mariadb-server"]
    program = "mariadbd@%"
    port = 53306
    folder = "/var/lib/retinue-proof-mariadb"
    socket = "/run/mysqld/retinue-proof.sock"
    still = False
    isObserved = False

    def make(self):
        data = self.place(self.folder)
        settings = self.place("/etc/mysql/retinue-proof.cnf")
        settings.write_text(f"[mariadbd]\nuser=mysql\ndatadir={data}\nport={self.port}\nbind-address=127.0.0.1\n"
                            f"socket={self.socket}\npid-file=/run/mysqld/retinue-proof.pid\n")
        run("install", "-d", "-o", "mysql", "-g", "mysql", "/run/mysqld")
        run("mariadb-install-db", f"--defaults-file={settings}", "--auth-root-authentication-method=normal")

    def start(self):
        self.spawn("/usr/sbin/mariadbd", "--defaults-file=/etc/mysql/retinue-proof.cnf", user="mysql")
        client = f"mariadb --socket={self.socket} -u root"
        until(lambda: subprocess.run(["sh", "-c", f"{client} -e 'select 1'"], capture_output=True, env=PATH).returncode == 0, 30, 0.5)
        shell(f"{client} -e \"create database proof; create user proof@'127.0.0.1' identified by 'proof'; "
              "grant all on proof.* to proof@'127.0.0.1'; create table proof.sold (id int auto_increment primary key, what text); "
              "insert into proof.sold (what) with recursive n (n) as (select 1 union all select n + 1 from n where n < 900) "
              "select md5(n) from n\"")

    def ask(self, program):
        return f"{program} -h 127.0.0.1 -P {self.port} -u proof -pproof"

    def work(self):
        shell(f"{self.ask('mariadb')} proof -e \"insert into sold (what) values ('more')\"")

    def observed(self):
        shell(f"{self.ask('mariadb-dump')} --skip-dump-date --no-tablespaces proof > {self.scratch}/original.sql")
        self.isObserved = True

    @property
    def check(self):
        line = (f"{self.ask('mariadb-dump')} --skip-dump-date --no-tablespaces proof > {self.scratch}/dump.sql")
        return line + (f" && cmp {self.scratch}/dump.sql {self.scratch}/original.sql" if self.isObserved else "")
