"""A move to the host itself of a guest in which systemd is process 1."""

import json
import shutil
import subprocess
import time

import machine
from lab import HERE, PATH, PRODUCTS, ROOT, Failure, Lab, run, until
from services import PYTHON, Counter, answer, plan

ADDRESS = "10.77.0.50"
# Runs what is sent to it, by a shell; on the laboratory's own network alone.
DOOR = """import socketserver, subprocess
class Door(socketserver.StreamRequestHandler):
    def handle(self):
        done = subprocess.run(["sh", "-c", self.rfile.readline().decode()], capture_output=True, text=True)
        self.wfile.write((done.stdout + done.stderr).encode())
socketserver.TCPServer(("", 7777), Door).serve_forever()
"""
UNITS = {
    "guest-network.service": "[Unit]\nBefore=network-online.target\nDefaultDependencies=no\nAfter=systemd-udev-settle.service\n"
                             "Wants=systemd-udev-settle.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                             f"ExecStart=/bin/sh -c 'ip link set eth0 up && ip addr add {ADDRESS}/24 dev eth0'\n",
    "guest-door.service": "[Unit]\nAfter=guest-network.service\n[Service]\nExecStart=/usr/bin/python3 /usr/local/lib/door.py\n",
}
UNIT = "[Unit]\nDescription=Counts\n[Service]\nExecStart={words}\nUser=daemon\n[Install]\nWantedBy=multi-user.target\n"


class Guest:
    """Debian with systemd and the agent, on the laboratory's switch."""

    def __init__(self, lab):
        self.lab = lab
        made = subprocess.run([machine.GUESTS / "make-root"], stdout=subprocess.PIPE, text=True)
        if made.returncode:
            raise Failure("no root: Tests/Guests/make-root")
        boot = machine.kernel()
        disk = lab.folder / "guest.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", made.stdout.strip(), "-F", "raw", disk)
        self.lay(lab.folder / "guest")
        run("tar", "-C", lab.folder / "guest", "-cf", lab.folder / "guest.tar", ".")
        initrd = machine.initramfs(boot, lab.folder, HERE / "guest-init")
        self.process = None
        lab.command("ip", "tuntap", "add", "guest0", "mode", "tap")
        lab.command("ip", "link", "set", "guest0", "master", "switch", "up")
        self.console = lab.folder / "guest.console"
        # A reboot ends it, and it is begun again: in software the machine's own reset hangs now and then.
        self.words = [
            "qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024M", "-display",
            "none", "-no-reboot", "-monitor", "none", "-serial", f"file:{self.console}", "-drive", f"file={disk},if=virtio,format=qcow2,cache=unsafe",
            "-drive", f"file={lab.folder}/guest.tar,if=virtio,format=raw,readonly=on",
            "-nic", "tap,ifname=guest0,script=no,downscript=no,model=virtio-net-pci", "-kernel", boot / "vmlinuz", "-initrd", initrd,
            "-append", "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off tsc=reliable net.ifnames=0 systemd.mask=rpcbind.socket"]
        self.boot()

    def boot(self):
        self.process = self.lab.client(*self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def lay(self, folder):
        """What the guest gets beside Debian's root: the agent, what it is linked with, and the units."""
        def place(path, text):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)

        (folder / "usr/sbin").mkdir(parents=True)
        shutil.copy(PRODUCTS / "retinue-agent", folder / "usr/sbin/retinue-agent")
        # A build that is not static has Swift's libraries beside it.
        for line in run("ldd", PRODUCTS / "retinue-agent").splitlines():
            words = line.split()
            if len(words) > 2 and words[2].startswith("/") and not words[2].startswith(("/lib", "/usr/lib")):
                target = folder / "usr/lib" / words[0]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(words[2], target)
        shutil.copytree(self.lab.folder / "certificates-guest", folder / "etc/retinue/certificates")
        place("etc/retinue/agent.conf", f"RETINUE_AGENT_OPTIONS=--listen {ADDRESS} --accept alpha\n")
        place("usr/local/lib/door.py", DOOR)
        units = {**UNITS, "retinue-agent.service": (ROOT / "packaging/retinue-agent.service").read_text().replace(
            "network-online.target", "guest-network.service")}
        for name, text in units.items():
            place(f"usr/lib/systemd/system/{name}", text)
            wants = folder / "etc/systemd/system/multi-user.target.wants"
            wants.mkdir(parents=True, exist_ok=True)
            (wants / name).symlink_to(f"/usr/lib/systemd/system/{name}")

    def ask(self, command, timeout=10):
        """What a command prints in the guest; nothing where it does not answer."""
        script = ("import socket, sys\nc = socket.create_connection((sys.argv[1], 7777), 3); c.settimeout(float(sys.argv[3]))\n"
                  "c.sendall(sys.argv[2].encode() + b'\\n')\n"
                  "while True:\n    part = c.recv(9000)\n    if not part: break\n    sys.stdout.write(part.decode())")
        client = self.lab.client(PYTHON, "-c", script, ADDRESS, command, str(timeout), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        try:
            out, _ = client.communicate(timeout=timeout + 5)
        except subprocess.TimeoutExpired:
            client.kill()
            client.communicate()
            return None
        return out.strip() if client.returncode == 0 else None

    def end(self):
        self.process.kill()
        self.process.wait()


def guest(checks):
    """The counter's unit runs there after the move, and after a reboot."""
    with Lab("alpha", "guest", size="4g") as lab:
        alpha = lab.alpha
        service = Counter(alpha, user=1)
        words = " ".join(map(str, service.words[service.words.index(PYTHON):]))
        alpha.write("/etc/systemd/system/counter.service", UNIT.format(words=words))
        alpha.run("systemctl", "--root=/", "enable", "counter.service")
        made = plan(alpha, {"executable": PYTHON, "script": service.folder + "/counter.py"},
                    packages=["python3.11-minimal", "libpython3.11-stdlib"],
                    entries=[service.folder, "/etc/systemd/system/counter.service"], ports=[service.port])
        made["hosts"][0]["entries"][1]["kind"] = "file"
        made["hosts"][0]["services"] = [
            {"kind": "unit", "name": "counter.service", "files": ["/etc/systemd/system/counter.service"]}]
        made["hosts"][0]["accounts"] = [{"kind": "user", "name": "daemon", "number": 1, "group": 1, "home": "/", "shell": "/bin/false"}]
        alpha.write("/root/plan.json", json.dumps(made))
        alpha.start_agent()
        machine_ = Guest(lab)
        options = ["/root/plan.json", "--to", f"guest={ADDRESS}", "--name", "counter", "--isolation", "host", "--confirm", Counter.check,
                   "--within", "120"]
        try:
            begin = time.monotonic()
            state = until(lambda: machine_.ask("systemctl is-active retinue-agent") == "active", 240, 1)
            if not checks(bool(state), "the guest boots with systemd and the agent", f"after {time.monotonic() - begin:.0f} s in software"):
                checks.say(machine_.console.read_text(errors="replace")[-2000:])
                return

            def listing():
                return machine_.ask("cd / && find etc srv usr/lib/systemd -xdev ! -name machine-id -printf '%p %m %U %G %y %l\\n' | sort; "
                                    "find etc srv -xdev -type f -print0 | sort -z | xargs -0 sha256sum", 60)

            before = listing()
            done = alpha.move("cutover", *options, patience=300)
            if not checks(done.returncode == 0, "cut over", done.stderr[-500:]):
                checks.say(str(machine_.ask("journalctl -u retinue-agent -u counter -n 30 --no-pager")))
                return
            said = machine_.ask("systemctl is-active counter; systemctl is-enabled counter")
            checks(said == "active\ndisabled", "its unit runs, and is not started at boot yet", said)
            done = alpha.move("rollback", *options)
            said = machine_.ask("systemctl is-active counter; ls /etc/systemd/system/counter.service /srv/counter")
            checks("inactive" in said and said.count("No such file") == 2, "rolled back, its unit has ended and its files are gone", said)
            after = listing()
            checks(bool(before) and after == before, "the guest's tree is what it was: path, mode, owner, content",
                   [line for line in (after or "").splitlines() if line not in before][:4])
            number = (until(lambda: answer(alpha, alpha.address), 10) or [0])[0]
            done = alpha.move("run", *options, "--yes", patience=300)
            if not checks(done.returncode == 0, "it moves", done.stderr.strip().splitlines()[-1:]):
                return
            said = machine_.ask("systemctl is-active counter; systemctl is-enabled counter; ps -o user= -p $(systemctl show -p MainPID --value counter)")
            checks(said == "active\nenabled\ndaemon", "its unit runs as its user, and is enabled", said)
            first = answer(alpha, ADDRESS, timeout=5)
            checks(bool(first) and first[0] == number + 1, "it goes on counting there", first)
            machine_.ask("systemctl reboot", 3)
            if not checks(until(lambda: machine_.process.poll() is not None, 120, 0.5), "the guest goes down for a reboot"):
                return
            machine_.boot()
            said = until(lambda: answer(alpha, ADDRESS, timeout=5), 240, 1)
            checks(bool(said) and said[0] > first[0], "after the reboot it answers, and goes on counting", said)
            said = until(lambda: "active" == machine_.ask("systemctl is-active retinue-agent") and machine_.ask(
                "systemctl is-enabled counter; systemctl is-active counter"), 60, 1)
            checks(said == "enabled\nactive", "its unit was started by systemd, and the agent runs beside it", said)
        finally:
            machine_.end()
