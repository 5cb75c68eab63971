"""Applications of one's own: an interpreter of Debian's, and files that no package has."""

import os
import subprocess
import time

from proof import Service, run, shell

FLASK = '''
import flask, json, os
settings = json.load(open("/etc/retinue-proof-shop.json"))
app = flask.Flask(__name__)

@app.post("/<name>")
def put(name):
    flask.request.files["file"].save(os.path.join(settings["uploads"], name))
    return "kept"

@app.get("/<name>")
def get(name):
    return flask.send_from_directory(settings["uploads"], name)

@app.get("/")
def count():
    return flask.render_template("count.html", count=len(os.listdir(settings["uploads"])))
'''


class Flask(Service):
    name = "flask"
    packages = ["python3-flask", "gunicorn"]
    program = "%"
    # It shows a title in place of its arguments, where python3-setproctitle is installed.
    start_by = "/usr/bin/gunicorn -w 2 -b 127.0.0.1:58000 shop:app"
    port = 58000
    data = "/srv/retinue-proof-uploads"

    def make(self):
        shop, uploads = self.place("/srv/retinue-proof-shop"), self.place(self.data)
        (shop / "templates").mkdir(parents=True)
        (shop / "shop.py").write_text(FLASK)
        (shop / "templates/count.html").write_text("{{ count }} files\n")
        uploads.mkdir()
        # Twenty-four from before it was observed, which nobody opens then.
        for number in range(24):
            (uploads / f"{number}.txt").write_text(f"upload {number}\n")
        run("chown", "-R", "www-data:www-data", uploads)
        self.place("/etc/retinue-proof-shop.json").write_text('{"uploads": "/srv/retinue-proof-uploads"}\n')
        self.given = 24

    def start(self):
        self.spawn("/usr/bin/gunicorn", "-w", "2", "-b", f"127.0.0.1:{self.port}", "shop:app", user="www-data",
                   folder="/srv/retinue-proof-shop")

    def work(self):
        if self.given < 30:
            shell(f"echo upload {self.given} | curl -fs -F file=@- http://127.0.0.1:{self.port}/{self.given}.txt >/dev/null")
            self.given += 1

    @property
    def check(self):
        url = f"http://127.0.0.1:{self.port}"
        if not self.group or self.given < 30:
            return f"curl -fs {url}/"
        return f"test \"$(curl -fs {url}/)\" = '30 files' && test \"$(curl -fs {url}/5.txt)\" = 'upload 5'"

    def look(self, checks, root):
        held = 0
        for number in range(30):
            path = root / self.data[1:] / f"{number}.txt"
            held += path.is_file() and path.read_text() == f"upload {number}\n"
        checks(held == 30, "flask: the uploads are in the copy", f"{held} of 30")


class Node(Service):
    name = "node"
    packages = ["nodejs"]
    program = "server.js@%"
    port = 58001

    def make(self):
        folder = self.place("/srv/retinue-proof-node")
        (folder / "node_modules/greeting/lib").mkdir(parents=True)
        (folder / "node_modules/greeting/package.json").write_text('{"name": "greeting", "version": "1.0.0", "main": "lib/main.js"}')
        (folder / "node_modules/greeting/lib/main.js").write_text("module.exports = name => require('./words').hello + ' ' + name\n")
        (folder / "node_modules/greeting/lib/words.js").write_text("exports.hello = 'hello'\n")
        (folder / "package.json").write_text('{"name": "proof", "version": "1.0.0", "main": "server.js"}')
        (folder / "server.js").write_text(
            "const http = require('http'), fs = require('fs'), greet = require('greeting')\n"
            "http.createServer((request, answer) => {\n"
            "  fs.appendFileSync(__dirname + '/asked.log', request.url + '\\n')\n"
            "  answer.end(greet(request.url.slice(1)) + '\\n')\n"
            f"}}).listen({self.port}, '127.0.0.1')\n")

    def start(self):
        self.spawn("/usr/bin/node", "/srv/retinue-proof-node/server.js")

    def work(self):
        shell(f"curl -fs http://127.0.0.1:{self.port}/world >/dev/null")

    @property
    def check(self):
        return f"test \"$(curl -fs http://127.0.0.1:{self.port}/there)\" = 'hello there'"


class PerlByCron(Service):
    """A job that cron starts each minute; tried by its command, as cron would start it."""

    name = "perl-cron"
    packages = ["cron", "perl"]
    program = "report.pl"
    start_by = "/usr/bin/perl /srv/retinue-proof-report/report.pl; exec sleep 60"
    patience = 30
    still = False

    def make(self):
        folder = self.place("/srv/retinue-proof-report")
        (folder / "lib/Proof").mkdir(parents=True)
        (folder / "lib/Proof/Sum.pm").write_text("package Proof::Sum; sub of { my $s = 0; $s += $_ for @_; $s } 1;\n")
        (folder / "numbers").mkdir()
        for number in range(1, 21):
            (folder / f"numbers/{number}").write_text(f"{number}\n")
        out = self.place("/var/lib/retinue-proof-report")
        out.mkdir()
        (out / "before").write_text("kept\n")
        (folder / "report.pl").write_text(
            "use strict; use lib '/srv/retinue-proof-report/lib'; use Proof::Sum; use POSIX; use Socket;\n"
            "my @all = map { open(my $f, '<', $_) or die; my $n = <$f>; chomp $n; $n } glob('/srv/retinue-proof-report/numbers/*');\n"
            "open(my $o, '>', '/var/lib/retinue-proof-report/sum') or die; print $o Proof::Sum::of(@all), \"\\n\"; close $o;\n")
        table = self.place("/etc/cron.d/retinue-proof")
        table.write_text("* * * * * root /usr/bin/perl /srv/retinue-proof-report/report.pl\n")
        self.ran = None

    def start(self):
        self.spawn("cron", "-f")
        self.sum = "/var/lib/retinue-proof-report/sum"

    def work(self):
        # Once by cron itself: its next minute.
        end = time.monotonic() + 65
        before = self.ran or 0
        while self.ran is None and time.monotonic() < end:
            if os.path.exists(self.sum) and os.stat(self.sum).st_mtime_ns > self.began:
                self.ran = before + 1
            time.sleep(0.5)

    def observed(self):
        pass

    @property
    def check(self):
        if self.ran is None:
            self.began = time.time_ns()
            return "true"
        return f"test \"$(cat {self.scratch}/trial/root{self.sum})\" = 210"

    def look(self, checks, root):
        checks((root / "var/lib/retinue-proof-report/before").is_file(), "perl-cron: what it had before is in the copy")


class Java(Service):
    name = "java"
    packages = ["openjdk-17-jre-headless"]
    program = "java@%"
    port = 58002

    def make(self):
        folder = self.place("/opt/retinue-proof-java")
        folder.mkdir()
        source = self.scratch / "Server.java"
        source.write_text(
            "import com.sun.net.httpserver.*; import java.net.*; import java.nio.file.*;\n"
            "public class Server { public static void main(String[] a) throws Exception {\n"
            f"  HttpServer s = HttpServer.create(new InetSocketAddress(\"127.0.0.1\", {self.port}), 0);\n"
            "  s.createContext(\"/\", e -> { byte[] b = Files.readAllBytes(Path.of(\"/opt/retinue-proof-java/greeting.txt\"));\n"
            "    e.sendResponseHeaders(200, b.length); e.getResponseBody().write(b); e.close(); }); s.start(); } }\n")
        (folder / "greeting.txt").write_text("hello\n")
        run("javac", "-d", self.scratch / "classes", source)
        (self.scratch / "manifest").write_text("Main-Class: Server\n")
        run("jar", "cfm", folder / "server.jar", self.scratch / "manifest", "-C", self.scratch / "classes", ".")

    def start(self):
        self.spawn("/usr/bin/java", "-jar", "/opt/retinue-proof-java/server.jar")

    def work(self):
        shell(f"curl -fs http://127.0.0.1:{self.port}/ >/dev/null")

    @property
    def check(self):
        return f"test \"$(curl -fs http://127.0.0.1:{self.port}/)\" = hello"
