"""Redis, nginx, and Flask under gunicorn, as Debian has them, moved to and fro by plans that were observed."""

import hashlib
import json
import random
import statistics
import subprocess
import time

from lab import PATH, Failure, Lab, until
from planning import install_recipes, observed_plan
from services import HERE, SERVICE_ADDRESS, LineClient


class Software:
    """What one has to say of itself."""

    name = ""
    # What `retinue plan` is asked for; % is the control group.
    program = ""
    # What starts it, since it shows a title in place of its arguments.
    start = None
    port = 0

    def __init__(self, host):
        """Lays its files, and starts it."""

    def work(self):
        """A little work while it is observed."""

    # Says at the destination whether it works.
    check = ""


class Redis(Software):
    name = "redis"
    program = "redis-server@%"
    start = "exec /usr/bin/redis-server /etc/redis/bank.conf"
    port = 6379
    check = "redis-cli -h 127.0.0.1 -p 6379 PING | grep -q PONG"

    def __init__(self, host, appends=True):
        self.host, self.written = host, 0
        host.run("install", "-d", "-o", "redis", "-g", "redis", "-m", "750", "/var/lib/bank", "/run/redis")
        settings = (f"port {self.port}\nbind 0.0.0.0\nprotected-mode no\ndir /var/lib/bank\npidfile /run/redis/bank.pid\n"
                    "logfile /var/lib/bank/redis.log\n")
        host.write("/etc/redis/bank.conf", settings + ("appendonly yes\nappendfsync always\n" if appends else 'save ""\n'))
        host.run("chmod", "644", "/etc/redis/bank.conf")
        host.spawn("setpriv", "--reuid=redis", "--regid=redis", "--init-groups", "/usr/bin/redis-server", "/etc/redis/bank.conf")
        if not until(lambda: host.ask("sh", "-c", self.check).returncode == 0, 20, 0.1):
            raise Failure("no Redis")

    def work(self):
        self.host.run("redis-cli", "-p", self.port, "SET", "work", "done")

    def client(self, lab):
        return LineClient(lab, "redis_client.py", SERVICE_ADDRESS, self.port)


class Nginx(Software):
    name = "nginx"
    program = "nginx@%"
    start = "exec /usr/sbin/nginx -c /etc/nginx/shop.conf -g 'daemon off;'"
    port = 443
    check = "curl -fsk https://127.0.0.1/7.html | grep -q 'page 7'"

    def __init__(self, host):
        self.host = host
        pages = {f"/{number}.html": f"page {number} {random.random()}\n" * 50 for number in range(40)}
        for path, text in pages.items():
            host.write("/srv/shop" + path, text)
        self.hashes = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in pages.items()}
        host.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop", "-keyout",
                 "/etc/ssl/private/shop.pem", "-out", "/etc/ssl/certs/shop.pem")
        host.write("/etc/nginx/shop.conf",
                   "user www-data;\npid /run/shop.pid;\nevents {}\nhttp {\n  include mime.types;\n  server {\n    listen 443 ssl;\n"
                   "    ssl_certificate /etc/ssl/certs/shop.pem;\n    ssl_certificate_key /etc/ssl/private/shop.pem;\n"
                   "    root /srv/shop;\n    access_log /var/log/nginx/shop.log;\n  }\n}\n")
        host.spawn("/usr/sbin/nginx", "-c", "/etc/nginx/shop.conf", "-g", "daemon off;")
        if not until(lambda: host.ask("sh", "-c", self.check).returncode == 0, 20, 0.1):
            raise Failure("no nginx")

    def work(self):
        self.host.run("sh", "-c", self.check)

    def client(self, lab):
        file = lab.folder / "pages.json"
        file.write_text(json.dumps(self.hashes))
        return LineClient(lab, "web_client.py", f"https://{SERVICE_ADDRESS}", file)


FLASK = '''
import flask, json, os
settings = json.load(open("/etc/shop.json"))
app = flask.Flask(__name__)

@app.post("/<name>")
def put(name):
    path = os.path.join(settings["uploads"], name)
    with open(path, "wb") as file:
        file.write(flask.request.get_data())
        file.flush()
        os.fsync(file.fileno())
    return "kept"

@app.get("/<name>")
def get(name):
    return flask.send_from_directory(settings["uploads"], name)

@app.get("/")
def count():
    return flask.render_template("count.html", count=len(os.listdir(settings["uploads"])))
'''


class Flask(Software):
    name = "flask"
    program = "%"
    start = "exec /usr/bin/gunicorn -w 2 -b 0.0.0.0:8000 shop:app"
    port = 8000
    check = "curl -fs http://127.0.0.1:8000/ | grep -q files"

    def __init__(self, host):
        self.host, self.hashes = host, {}
        host.write("/srv/shop/shop.py", FLASK)
        host.write("/srv/shop/templates/count.html", "{{ count }} files\n")
        host.write("/etc/shop.json", '{"uploads": "/srv/uploads"}\n')
        host.run("install", "-d", "-o", "www-data", "-g", "www-data", "/srv/uploads")
        host.spawn("setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups", "/usr/bin/gunicorn", "-w", "2", "-b",
                   f"0.0.0.0:{self.port}", "shop:app", folder="/srv/shop")
        if not until(lambda: host.ask("sh", "-c", self.check).returncode == 0, 20, 0.1):
            raise Failure(f"no Flask: {(host.folder / 'service.log').read_text(errors='replace')[-600:]}")
        # Twenty-four from before it was observed, the others while it is.
        while len(self.hashes) < 24:
            self.upload()

    def upload(self):
        name, content = f"/{len(self.hashes)}.bin", random.randbytes(random.randint(1, 300_000))
        # By a pipe: a file that this test writes and curl reads would make the test a member of the group.
        subprocess.run(self.host.words("curl", "-fs", "--data-binary", "@-", "-H", "Content-Type: application/octet-stream",
                                       f"http://127.0.0.1:{self.port}{name}", group=False), input=content, capture_output=True,
                       env=PATH, check=True, timeout=20)
        self.hashes[name] = hashlib.sha256(content).hexdigest()

    def work(self):
        if len(self.hashes) < 30:
            self.upload()

    def client(self, lab):
        file = lab.folder / "uploads.json"
        file.write_text(json.dumps(self.hashes))
        return LineClient(lab, "web_client.py", f"http://{SERVICE_ADDRESS}:{self.port}", file)


def moves(checks, software_type, times, observed=6, options=(), agent=()):
    """Moves it so often under its client, with more options of the move and of the agents; the client's last answer."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        software = software_type(alpha)
        plan = observed_plan(alpha, software.program, software.work, times=observed)
        beta.write("/root/plan.json", alpha.path("/root/plan.json").read_bytes())
        for host, other in ((alpha, "beta"), (beta, "alpha")):
            install_recipes(host)
            host.start_agent("--accept", other, *agent)
        checks.say(f"      the plan is retinue plan's, its isolation {plan['hosts'][0]['isolation']['choice']}")
        client = software.client(lab)
        held, gaps, here, there = [], [], alpha, beta
        try:
            time.sleep(1)
            client.ask("mark")
            for number in range(1, times + 1):
                done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--yes", "--name", software.name,
                                 "--confirm", software.check, "--start", software.start, "--address", f"{SERVICE_ADDRESS}/24", *options, patience=300)
                if not checks(done.returncode == 0, f"{software.name}: move {number}, {here.name} to {there.name}",
                              done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""):
                    checks.say(done.stderr + here.agent_log() + there.agent_log())
                    raise Failure("it was not moved")
                time.sleep(1.5)
                seen = client.ask("mark")
                status = [move for move in here.status()["departures"] if move["name"] == software.name][0]
                held.append(status["pause_ns"] / 1e9)
                gaps.append(seen["gap"])
                checks(seen.get("answers", seen.get("acknowledged")) > 0 and not seen.get("wrong") and seen["refused"] == 0,
                       f"{software.name}: it answers its client from {there.name}, none is refused", seen)
                # Its processes are nobody's to see once it is in a machine.
                if software.name == "redis" and (number == 1 or "machine" not in options):
                    checks("redis.recipe: done" in done.stderr, f"redis: redis.recipe ran at move {number}", done.stderr[:300])
                checks.say(f"      held {held[-1]:.2f} s, the client's pause {gaps[-1]:.2f} s, {status['sent'] / 1e6:.1f} MB sent")
                here, there = there, here
            found = client.ask("check")
        finally:
            client.end()
        checks.say(f"      held {statistics.median(held):.2f} s ({min(held):.2f} to {max(held):.2f}), the client's pause "
                   f"{statistics.median(gaps):.2f} s ({min(gaps):.2f} to {max(gaps):.2f})")
        return found


def redis(checks, quick=False):
    """An append-only file, and a client that reconnects; then with snapshots alone."""
    found = moves(checks, Redis, 2 if quick else 10)
    checks(not found["missing"], "redis: every acknowledged key has its value", f"{found['acknowledged']} keys, {found['missing']}")
    found = moves(checks, lambda host: Redis(host, appends=False), 1 if quick else 3)
    checks(not found["missing"], "redis without an append-only file: every acknowledged key has its value",
           f"{found['acknowledged']} keys, {found['missing']}")


def nginx(checks, quick=False):
    """A document root behind TLS."""
    found = moves(checks, Nginx, 2 if quick else 10)
    checks(found["same"] == found["of"] == 40, "nginx: every page is what it was", f"{found['same']} of {found['of']}")


def flask(checks, quick=False):
    """An application of one's own, with uploads."""
    found = moves(checks, Flask, 2 if quick else 10)
    checks(found["same"] == found["of"] == 30, "flask: every upload is what it was, by hash", f"{found['same']} of {found['of']}")
