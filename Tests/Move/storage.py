"""A filesystem of a third machine that both hosts have mounted: sshfs(1), which any host can have."""

import contextlib
import json
import os
import signal
import subprocess

from lab import PATH, Failure, Lab, until
from services import Counter, answer

PORT = 2222
FOLDER = "/srv/counter/data"
CELL = "/var/lib/retinue-agent/cells/counter/root"


class Store:
    """The third machine: SFTP without ssh, at the switch."""

    def __init__(self, lab):
        self.folder = lab.folder / "export"
        self.folder.mkdir()
        (self.folder / "count").write_text("0")
        (self.folder / "much").write_bytes(os.urandom(8 << 20))
        self.mounts = {}
        self.server = lab.client("socat", f"TCP-LISTEN:{PORT},fork,reuseaddr,bind=10.77.0.254", "EXEC:/usr/lib/openssh/sftp-server",
                                 stdin=subprocess.DEVNULL, start_new_session=True)

    def mount(self, host, point=FOLDER):
        host.run("mkdir", "-p", point)
        self.mounts[host.name, point] = subprocess.Popen(
            host.words("sshfs", "-f", "-o", f"directport={PORT}", f"10.77.0.254:{self.folder}", point, group=False), env=PATH,
            stdin=subprocess.DEVNULL, start_new_session=True)
        if not until(lambda: f" {point} fuse.sshfs " in host.run("cat", "/proc/mounts"), 10):
            raise Failure(f"no sshfs at {host.name}")

    def unmount(self, host, point=FOLDER):
        host.run("umount", point)
        self.mounts.pop((host.name, point)).wait(timeout=10)

    def end(self):
        for process in [*self.mounts.values(), self.server]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def storage(checks):
    """The counter's data stays where it is, and goes on being its data, whatever keeps the counter apart."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        store = Store(lab)
        try:
            for host, other in ((alpha, "beta"), (beta, "alpha")):
                host.start_agent("--accept", other)
            store.mount(alpha)
            # What the counter has written to it is on the store's disk, and in nobody's cache.
            Counter(alpha)
            beta.write("/root/plan.json", alpha.path("/root/plan.json").read_bytes())

            def move(verb, here, there, *more):
                words = ["/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter", *more]
                if verb == "run":
                    words += ["--yes", "--confirm", Counter.check]
                return here.move(verb, *words, patience=120)

            def text(done):
                return done.stdout + done.stderr

            done = move("check", alpha, beta)
            checks(done.returncode == 1 and f"{FOLDER} (10.77.0.254:{store.folder}) is not mounted at beta" in text(done),
                   "what the destination has not mounted, and the plan would not copy, is refused",
                   [line for line in text(done).splitlines() if FOLDER in line])
            made = json.loads(alpha.path("/root/plan.json").read_text())
            entries = made["hosts"][0]["entries"]
            alpha.write("/root/copied.json", json.dumps(made | {"hosts": [made["hosts"][0] | {"entries": [*entries, entries[0] | {"path": FOLDER}]}]}))
            words = ["/root/copied.json", "--to", f"beta={beta.address}", "--name", "copied"]
            done = alpha.move("check", *words)
            alpha.move("run", *words, "--yes", "--confirm", "false")
            checks(f"{FOLDER} (10.77.0.254:{store.folder}) is not mounted at beta" in text(done) and "is copied" in text(done)
                   and beta.path(CELL.replace("counter", "copied") + FOLDER + "/much").stat().st_size == 8 << 20,
                   "with an entry of its own it is copied", [line for line in text(done).splitlines() if FOLDER in line])
            checks(bool(until(lambda: answer(alpha, alpha.address), 10)), "and served from the source as before")
            alpha.run("mkdir", "/srv/counter/disk")
            alpha.run("sh", "-c", "truncate -s 16M /root/disk && mkfs.ext4 -q /root/disk && mount -o loop /root/disk /srv/counter/disk")
            done = move("check", alpha, beta)
            checks(done.returncode == 1 and "/srv/counter/disk is a filesystem of its own in /srv/counter" in text(done),
                   "another disk in a tree is refused too, as it would not be copied", [line for line in text(done).splitlines() if "disk" in line])
            alpha.run("sh", "-c", "umount /srv/counter/disk && mount --bind /srv/counter/names /srv/counter/disk")
            done = move("check", alpha, beta)
            checks("/srv/counter/disk is a" not in text(done), "a folder of the same one that is mounted there is not", text(done))
            alpha.run("sh", "-c", "umount /srv/counter/disk && rmdir /srv/counter/disk")
            store.mount(beta)
            done = move("check", alpha, beta)
            checks(done.returncode == 0 and f"{FOLDER} (10.77.0.254:{store.folder}) is mounted at both hosts" in text(done),
                   "what both have mounted is reported", [line for line in text(done).splitlines() if FOLDER in line])
            number = answer(alpha, alpha.address)[0]
            here, there = alpha, beta
            for kind in ("chroot", "container", "runc", "nspawn", "host", "chroot"):
                if kind == "host":
                    # It is the host's own root again.
                    there.run("rm", "-rf", *[f"/srv/counter/{name}" for name in ("counter.py", "names")])
                done = move("run", here, there, "--isolation", kind)
                if not checks(done.returncode == 0, f"{kind}: it moves from {here.name} to {there.name}", done.stderr[-300:]):
                    checks.say(done.stderr + here.agent_log() + there.agent_log())
                    return
                sent = [one for one in here.status()["departures"] if one["name"] == "counter"][0]["sent"]
                checks(sent < 1 << 20, f"{kind}: nothing of it is sent", f"{sent} bytes")
                found = until(lambda: answer(lab.hosts[0], there.address), 10)
                checks(found is not None and found[0] == number + 1, f"{kind}: it goes on counting in the same file", (number, found))
                number = found[0]
                checks((store.folder / "count").read_text() == str(number), f"{kind}: which is the store's")
                below = [] if kind == "host" else os.listdir(there.path(CELL + FOLDER))
                checks(below == [], f"{kind}: and nothing of it lies in the cell", below)
                here, there = there, here
            # The counter is in a cell of alpha's by now.
            done = move("check", here, there)
            checks(f"it writes {FOLDER}/count" in text(done), "files of a cell go by their paths in it",
                   [line for line in text(done).splitlines() if "it writes" in line])
            store.unmount(beta)
            done = move("check", here, there)
            checks(done.returncode == 1 and "is not mounted at beta" in text(done), "a cell's is needed there, and nothing is copied in its place",
                   [line for line in text(done).splitlines() if FOLDER in line])
            checks((answer(alpha, alpha.address) or (0,))[0] == number + 1, "and it is served on")
        finally:
            store.end()


def removed(checks):
    """`commit --remove` removes what was copied, and not what both hosts have."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        store = Store(lab)
        try:
            alpha.start_agent()
            beta.start_agent("--accept", "alpha")
            for host in (alpha, beta):
                store.mount(host)
            Counter(alpha)
            words = ["/root/plan.json", "--to", f"beta={beta.address}", "--name", "counter", "--confirm", Counter.check]
            done = alpha.move("cutover", *words, patience=120)
            checks(done.returncode == 0, "cut over", done.stderr[-300:])
            # Whoever removes is another process than whoever has found out what is not copied.
            alpha.kill_agent()
            alpha.start_agent()
            done = alpha.move("commit", *words, "--remove", patience=120)
            if done.returncode:
                done = alpha.move("run", *words, "--yes", patience=120)
                checks(done.returncode == 0, "moved", done.stderr[-300:])
                alpha.kill_agent()
                alpha.start_agent()
                done = alpha.move("commit", *words, "--remove", patience=120)
            checks(done.returncode == 0, "committed, and removed", done.stderr[-300:])
            left = sorted(str(path.relative_to(alpha.path("/srv/counter"))) for path in alpha.path("/srv/counter").rglob("*"))
            checks(left == ["data", "data/count", "data/much"], "what was copied is removed, what is shared is not", left)
        finally:
            store.end()
