"""Servers of the web and of names, and daemons."""

import os

from proof import Service, run, shell


class Nginx(Service):
    name = "nginx"
    packages = ["nginx-light", "openssl"]
    program = "nginx@%"
    # It shows a title in place of its arguments.
    start_by = "/usr/sbin/nginx -c /etc/nginx/retinue-proof.conf -g 'daemon off;'"
    port = 58443

    def make(self):
        site = self.place("/srv/retinue-proof-nginx")
        site.mkdir()
        for number in range(40):
            (site / f"{number}.html").write_text(f"page {number}\n")
        certificate, key = self.place("/etc/ssl/certs/retinue-proof.pem"), self.place("/etc/ssl/private/retinue-proof.key")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key,
            "-out", certificate)
        site_settings = self.place("/etc/nginx/retinue-proof-sites")
        site_settings.mkdir()
        (site_settings / "shop").write_text(
            f"server {{\n  listen 127.0.0.1:{self.port} ssl;\n  ssl_certificate {certificate};\n"
            f"  ssl_certificate_key {key};\n  root {site};\n  access_log /var/log/nginx/retinue-proof.log;\n}}\n")
        # The sites that are there are the host's.
        self.place("/etc/nginx/retinue-proof.conf").write_text(
            "user www-data;\npid /run/retinue-proof-nginx.pid;\nevents {}\nhttp {\n  include mime.types;\n"
            "  include retinue-proof-sites/*;\n}\n")
        self.place("/var/log/nginx/retinue-proof.log")

    def start(self):
        self.spawn("nginx", "-c", "/etc/nginx/retinue-proof.conf", "-g", "daemon off;")

    def work(self):
        shell(f"curl -fsk https://127.0.0.1:{self.port}/{os.getpid() % 7}.html >/dev/null")

    @property
    def check(self):
        return (f"for n in 3 39; do test \"$(curl -fs --cacert /etc/ssl/certs/retinue-proof.pem --connect-to "
                f"localhost:{self.port}:127.0.0.1:{self.port} https://localhost:{self.port}/$n.html)\" = \"page $n\" || exit 1; done")


class Unbound(Service):
    name = "unbound"
    packages = ["unbound"]
    program = "unbound@%"
    port = 55353

    def make(self):
        zone = self.place("/etc/unbound/retinue-proof.conf")
        zone.write_text("server:\n" + "".join(f'  local-data: "host{n}.proof. A 10.1.0.{n}"\n' for n in range(1, 31)))
        settings = self.place("/etc/unbound/retinue-proof-main.conf")
        settings.write_text(f"server:\n  interface: 127.0.0.1\n  port: {self.port}\n  username: unbound\n  chroot: \"\"\n"
                            f"  directory: /etc/unbound\n  pidfile: /run/retinue-proof-unbound.pid\n  do-daemonize: no\n"
                            f"  use-syslog: no\n  local-zone: \"proof.\" static\ninclude: \"{zone}\"\n")

    def start(self):
        self.spawn("unbound", "-d", "-c", "/etc/unbound/retinue-proof-main.conf")

    def query(self, name):
        return ("/usr/bin/python3 -c 'import socket, struct, sys\n"
                "name = b\"\".join(bytes([len(p)]) + p.encode() for p in sys.argv[1].split(\".\")) + b\"\\0\"\n"
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)\n"
                f"s.sendto(struct.pack(\">6H\", 7, 256, 1, 0, 0, 0) + name + struct.pack(\">2H\", 1, 1), (\"127.0.0.1\", {self.port}))\n"
                "sys.exit(s.recv(512)[-4:] != socket.inet_aton(sys.argv[2]))' " + name)

    def work(self):
        shell(self.query("host3.proof 10.1.0.3"))

    @property
    def check(self):
        return self.query("host29.proof 10.1.0.29")


class NodeExporter(Service):
    name = "node-exporter"
    packages = ["prometheus-node-exporter"]
    program = "prometheus-node-exporter@%"
    port = 59100

    def make(self):
        texts = self.place("/var/lib/retinue-proof-exporter")
        texts.mkdir()
        (texts / "proof.prom").write_text("proof_moved 42\n")
        run("chown", "-R", "prometheus:prometheus", texts)

    def start(self):
        self.spawn("prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}",
                   "--collector.textfile.directory=/var/lib/retinue-proof-exporter", user="prometheus")

    def work(self):
        shell(f"curl -fs http://127.0.0.1:{self.port}/metrics >/dev/null")

    @property
    def check(self):
        return f"curl -fs http://127.0.0.1:{self.port}/metrics | grep -q '^proof_moved 42$'"


class Exim(Service):
    name = "exim4"
    packages = ["exim4-daemon-light"]
    program = "exim4@%"
    port = 52525
    still = False

    def make(self):
        self.place("/run/retinue-proof-exim.pid")

    def start(self):
        self.spawn("/usr/sbin/exim4", "-bdf", "-q30m", "-oX", f"127.0.0.1.{self.port}", "-oP", "/run/retinue-proof-exim.pid")

    def greet(self):
        return ("/usr/bin/python3 -c 'import smtplib, sys\n"
                f"s = smtplib.SMTP(\"127.0.0.1\", {self.port}, timeout=5)\n"
                "s.ehlo(\"localhost\"); s.mail(\"root@localhost\"); sys.exit(s.rcpt(\"root@localhost\")[0] != 250)'")

    def work(self):
        shell(self.greet())

    @property
    def check(self):
        return self.greet()
