"""A shop on three hosts that moves to one: nginx, a server in Python with the files that it writes, PostgreSQL."""

import contextlib
import json
import os
import subprocess
import time

from lab import PATH, PRODUCTS, Failure, Lab, until
from planning import Observer, install_recipes
from services import PYTHON

POSTGRES = "/usr/lib/postgresql/15/bin"
ADDRESSES = {"web": "10.77.0.101", "app": "10.77.0.102", "db": "10.77.0.103"}
NGINX = """daemon off;
user www-data;
worker_processes 1;
pid /srv/shop/web/nginx.pid;
error_log /srv/shop/web/error.log;
events { worker_connections 64; }
http {
    access_log /srv/shop/web/access.log;
    client_body_temp_path /srv/shop/web/temp;
    proxy_temp_path /srv/shop/web/temp;
    fastcgi_temp_path /srv/shop/web/temp;
    uwsgi_temp_path /srv/shop/web/temp;
    scgi_temp_path /srv/shop/web/temp;
    server {
        listen 80;
        root /srv/shop/web/html;
        location /orders { proxy_pass http://%s:8080; }
    }
}
""" % ADDRESSES["app"]
SHOP = f"""import http.server, json, os, socket, socketserver, struct
folder = os.path.dirname(os.path.abspath(__file__))
state = json.load(open(folder + "/state.json"))


def query(sql):
    # PostgreSQL's protocol, as far as one row needs it.
    with socket.create_connection(("{ADDRESSES["db"]}", 5432), 5) as connection, connection.makefile("rb") as answers:
        start = struct.pack("!i", 196608) + b"user\\0postgres\\0database\\0postgres\\0\\0"
        connection.sendall(struct.pack("!i", len(start) + 4) + start)
        row, ready, asked = b"", 0, False
        while ready < 2:
            kind, size = struct.unpack("!ci", answers.read(5))
            body = answers.read(size - 4)
            if kind == b"E":
                raise OSError(body.decode(errors="replace"))
            if kind == b"D":
                row = body[6:]
            if kind == b"Z":
                ready += 1
                if not asked:
                    asked = True
                    connection.sendall(b"Q" + struct.pack("!i", len(sql) + 5) + sql.encode() + b"\\0")
        return row


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        number = query("insert into orders default values returning number")
        state["orders"] += 1
        with open(folder + "/state.json.new", "w") as file:
            json.dump(state, file)
        os.replace(folder + "/state.json.new", folder + "/state.json")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(number)

    def log_message(self, *words):
        pass


class Server(http.server.HTTPServer):
    def server_bind(self):
        socketserver.TCPServer.server_bind(self)


query("create table if not exists orders (number serial)")
Server(("", 8080), Handler).serve_forever()
"""
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
START_NGINX = "exec nginx -e /srv/shop/web/error.log -p /srv/shop/web -c /srv/shop/web/nginx.conf"


class Shop:
    """The three programs, each on a host with an address of its own, and who observes them."""

    def __init__(self, lab):
        self.lab = lab
        self.hosts = {name: getattr(lab, name) for name in ADDRESSES}
        for name, host in self.hosts.items():
            host.run("ip", "addr", "add", f"{ADDRESSES[name]}/24", "dev", "eth0")
        web, app, database = self.hosts.values()
        web.write("/srv/shop/web/nginx.conf", NGINX)
        web.write("/srv/shop/web/html/index.html", "<h1>The shop</h1>\n")
        app.write("/srv/shop/app/shop.py", SHOP)
        app.write("/srv/shop/app/state.json", json.dumps({"orders": 0}))
        database.run("install", "-d", "-o", "postgres", "/srv/shop/db", "/srv/shop/db/data", "/srv/shop/db/run")
        database.run(*AS_POSTGRES, f"{POSTGRES}/initdb", "-D", "/srv/shop/db/data", "-U", "postgres", "-A", "trust", "--no-sync",
                     "--locale=C", "--encoding=UTF8")
        for path, text in (("postgresql.conf", "listen_addresses = '*'\nunix_socket_directories = '/srv/shop/db/run'\n"),
                           ("pg_hba.conf", "host all all 10.77.0.0/24 trust\n")):
            with open(database.path(f"/srv/shop/db/data/{path}"), "a") as file:
                file.write(text)

    def start(self):
        web, app, database = self.hosts.values()
        database.spawn(*AS_POSTGRES, f"{POSTGRES}/postgres", "-D", "/srv/shop/db/data")
        ready = database.path("/srv/shop/db/data/postmaster.pid")
        if not until(lambda: ready.exists() and "ready" in ready.read_text(), 30):
            raise Failure("PostgreSQL is not ready")
        app.spawn(PYTHON, "/srv/shop/app/shop.py", environment={**PATH, "PYTHONDONTWRITEBYTECODE": "1"})
        web.spawn("sh", "-c", START_NGINX)
        if not until(lambda: self.page() and self.order() is not None, 30, 0.2):
            raise Failure("the shop does not answer")

    def page(self):
        done = self.curl("/")
        return done.returncode == 0 and "The shop" in done.stdout

    def curl(self, path):
        words = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", f"http://{ADDRESSES['web']}{path}"]
        return subprocess.run(["nsenter", f"--target={self.lab.keeper.pid}", "--net", *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=PATH)

    def order(self):
        """The number of a new order; nothing where there is no answer."""
        done = self.curl("/orders")
        return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else None

    def observe(self):
        """Watches all three over ten orders, and puts a dump of each to `web`."""
        with contextlib.ExitStack() as stack:
            observers = {name: stack.enter_context(Observer(host, "--host-id", name)) for name, host in self.hosts.items()}
            numbers = [self.order() for _ in range(10)]
            time.sleep(1)
            for name, observer in observers.items():
                self.hosts["web"].write(f"/root/{name}.ndjson", observer.dump())
        return numbers


def shop(checks):
    """`group`, `plan`, `move`: three hosts become one, and the shop answers there."""
    with Lab("web", "app", "db", "new", size="4g") as lab:
        made = Shop(lab)
        made.start()
        numbers = made.observe()
        checks(None not in numbers, "ten orders before the move", numbers)
        dumps = [f"/root/{name}.ndjson" for name in ADDRESSES]
        # This one's own files are at its root; those of the others are shown to it as a backup or NFS would.
        roots = ["--root=web=/"] + [f"--root={name}=/proc/{made.hosts[name].pid}/root" for name in ("app", "db")]
        planned = lab.web.ask(PRODUCTS / "retinue", "plan", "web:/usr/sbin/nginx", "--from", *dumps, *roots, "--exclude=**/curl",
                              "--json")
        for line in planned.stderr.splitlines():
            checks.say(f"      {line}")
        if not checks(planned.returncode == 0, "the group of three hosts is planned"):
            return
        for name in dumps:
            for line in lab.web.path(name).read_text().splitlines():
                if line.startswith('{"type":"gap"'):
                    checks.say(f"      {name}: {line}")
        plan = json.loads(planned.stdout)
        for host in plan["hosts"]:
            for entry in host["entries"]:
                if entry["path"].startswith("/srv/"):
                    checks.say(f"      {host['name']}: {entry['path']} {entry['kind']} {entry['treatment']}: {entry['reason']}")
        orders = {program["executable"].rsplit("/", 1)[-1]: program.get("order")
                  for host in plan["hosts"] for program in host["programs"]}
        checks(orders.get("postgres", 9) < orders.get(os.path.basename(PYTHON), 0) < orders.get("nginx", 0),
               "PostgreSQL starts before the shop, the shop before nginx", orders)
        confirm = {"web": f"curl -sf http://127.0.0.1/ | grep -q shop", "app": "timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080'",
                   "db": f"{POSTGRES}/pg_isready -q -h 127.0.0.1"}
        for host in plan["hosts"]:
            name = host["name"]
            host["move"] = {"from": f"{name}={made.hosts[name].address}", "to": f"new={lab.new.address}",
                            "address": f"{ADDRESSES[name]}/24", "confirm": confirm[name]}
            if name == "web":
                host["move"]["start"] = START_NGINX
        lab.web.write("/root/plan.json", json.dumps(plan))
        for host in lab.hosts:
            install_recipes(host)
        lab.web.start_agent("--accept", "new")
        for host in (lab.app, lab.db):
            host.start_agent("--accept", "new")
        lab.new.start_agent("--accept", "web", "--accept", "app", "--accept", "db")
        refused = lab.web.move("check", "/root/plan.json", "--host", "db")
        checks(refused.returncode == 1 and "web may not" in refused.stderr, "an agent obeys no host that it was not named",
               refused.stderr.strip()[-160:])
        for host in (lab.app, lab.db):
            host.kill_agent()
            host.start_agent("--accept", "new", "--obey", "web")
        checked = lab.web.move("check", "/root/plan.json")
        for line in checked.stdout.splitlines():
            checks.say(f"      {line}")
        if not checks(checked.returncode == 0, "nothing stands in the way", checked.stderr.strip()[-300:]):
            return
        before = made.order()
        done = lab.web.move("run", "/root/plan.json", "--yes", patience=400)
        for line in done.stderr.splitlines() + done.stdout.splitlines():
            checks.say(f"      {line}")
        if not checks(done.returncode == 0, "one command moves them, the database first"):
            checks.say(lab.new.agent_log() + lab.web.agent_log() + lab.app.agent_log() + lab.db.agent_log())
            return
        moved = [line.split()[0] for line in done.stdout.splitlines()]
        checks([name.rsplit("-", 1)[-1] for name in moved] == ["db", "app", "web"], "in the order of the plan", moved)
        after = until(made.order, 20, 0.2)
        checks(after == before + 1, "the next order has the next number", f"{before}, {after}")
        checks(made.page(), "the page is there")
        count = lab.new.run(f"{POSTGRES}/psql", "-X", "-A", "-t", "-h", ADDRESSES["db"], "-U", "postgres", "postgres", "-c",
                            "select count(*), max(number) from orders").strip()
        checks(count == f"{after}|{after}", "no order is lost, none is there twice", count)
        left = [name for name, host in made.hosts.items() if host.group.members()]
        checks(not left, "nothing of it runs where it was", left)
        for host in (lab.web, lab.app, lab.db):
            host.kill_agent()
        checks(until(made.order, 10) == after + 1, "it needs none of the three hosts any more")
