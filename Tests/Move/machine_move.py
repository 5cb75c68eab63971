"""Virtual machines that `retinue move` starts."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import time

import faults
import isolation
import machine
import postgresql as bank
import software
from lab import HERE, Failure, Lab, run, until
from services import PYTHON, SERVICE_ADDRESS, Client, Counter, answer, plan

# What the machines get, and where they are slow.
OPTIONS = ["--machine-memory", "384"]
# What a machine's file system has not, of what files.py tries: fifos and sockets there are in /run alone.
WITHOUT = ["O_TMPFILE", "fifo", "Unix socket", "hole, by its blocks"]
CELL = "/var/lib/retinue-agent/cells"


def install_kernel(host):
    """A host's own kernel, with its modules, from Debian's package, which the guests' tests have fetched."""
    cache = machine.kernel().parent
    version = (machine.kernel() / "version").read_text().strip()
    whole = cache / f"host-kernel-{version}"
    if not whole.exists():
        package = sorted((cache / "packages").glob(f"linux-image-{version}_*.deb"))
        if not package:
            raise Failure(f"no package of the kernel {version} in {cache}/packages")
        made = cache / f"host-kernel-{version}.making"
        shutil.rmtree(made, ignore_errors=True)
        run("dpkg-deb", "-x", package[-1], made)
        run("depmod", "-b", made, version)
        made.rename(whole)
    host.run("mkdir", "-p", "/boot", "/lib/modules")
    host.run("ln", "-sfn", f"{whole}/boot/vmlinuz-{version}", f"/boot/vmlinuz-{version}")
    host.run("ln", "-sfn", f"{whole}/lib/modules/{version}", f"/lib/modules/{version}")
    return version


def emulators(host):
    """Processes of a host that emulate machines."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().startswith(b"qemu-system") and host.owns(entry):
                found.append(int(entry))
    return found


def pause_of(host, name="counter"):
    status = [move for move in host.status()["departures"] if move["name"] == name][0]
    return status["pause_ns"] / 1e9, status["sent"]


def traces(host):
    return [row for row in isolation.traces(host) if "retinue_net" in row or ": rn" in row or "retinue-" in row]


def machine_move(checks, quick=False):
    """The counter moves into a machine, is rolled back, goes in, comes back with its data, and goes in again."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha)
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        alpha.start_agent("--accept", "beta", *OPTIONS)
        beta.start_agent("--accept", "alpha", *OPTIONS)
        beta.write("/root/plan.json", alpha.path("/root/plan.json").read_bytes())

        def words(there, *more, kind="machine"):
            return ["/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter", "--confirm", Counter.check,
                    "--address", f"{SERVICE_ADDRESS}/24", "--within", "60", "--isolation", kind, *more]

        done = alpha.move("check", *words(beta))
        said = done.stdout + done.stderr
        checks(done.returncode == 1 and "no kernel for a machine" in said, "a destination without a kernel is refused, with the cure",
               [line for line in said.splitlines() if "kernel" in line])
        for host in (alpha, beta):
            version = install_kernel(host)
        done = alpha.move("check", *words(beta))
        checks(done.returncode == 0 and f"boots the kernel {version}" in done.stdout + done.stderr, "check names the kernel",
               [line for line in (done.stdout + done.stderr).splitlines() if "kernel" in line or "kvm" in line])
        client = Client(lab)
        time.sleep(0.3)

        done = alpha.move("precopy", *words(beta))
        checks(done.returncode == 0, "pre-copied", done.stderr[-200:])
        done = alpha.move("cutover", *words(beta), patience=300)
        if not checks(done.returncode == 0, "cut over: the machine runs", done.stderr.strip()[-300:]):
            checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
            with contextlib.suppress(OSError):
                checks.say(beta.path(f"{CELL}/counter/log").read_text(errors="replace")[-3000:])
            client.end()
            return
        checks(len(emulators(beta)) == 1, "one machine is at the destination", emulators(beta))
        checks(answer(alpha, beta.address) is None, "its clients are held")
        done = alpha.move("rollback", *words(beta))
        checks(done.returncode == 0 and until(lambda: answer(beta, SERVICE_ADDRESS), 10)[1] == "alpha", "rolled back, the source serves",
               done.stderr[-200:])
        checks(bool(until(lambda: not emulators(beta) and not traces(beta), 15)), "of the machine nothing is left", (emulators(beta), traces(beta)))

        done = alpha.move("run", *words(beta, "--yes"), patience=300)
        if not checks(done.returncode == 0, "it moves into a machine", done.stderr.strip()[-300:]):
            checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
            client.end()
            return
        phases = re.findall(r"(\w+) after ([0-9.]+) s", done.stderr)
        checks.say(f"      phases {phases}, held {pause_of(alpha)[0]:.2f} s, sent {pause_of(alpha)[1]} bytes")
        checks(until(lambda: answer(alpha, SERVICE_ADDRESS), 5)[1] == "counter", "it answers under its address, with the machine's own name")
        size = beta.path(f"{CELL}/counter/machine/initramfs").stat().st_size
        checks.say(f"      beside the files: an initramfs of {size / 1e6:.1f} MB")
        beta.kill_agent()
        checks(answer(alpha, SERVICE_ADDRESS)[1] == "counter", "without the agent the machine goes on")
        beta.start_agent()
        before = emulators(beta)
        status = beta.status()["arrivals"][0]
        checks(status["running"] and status["home"] and before == emulators(beta), "an agent that is started again finds it", status["state"])

        seen = client.end()
        checks(seen["backwards"] == 0 and seen["last"] >= seen["numbers"], "into a machine: no number is given twice, none goes backwards",
               f"{seen['numbers']} answers, the last is {seen['last']}")
        checks(seen["refused"] == 0, "into a machine: no connection was refused", seen["refused"])
        checks.say(f"      the client's longest gap {seen['gap']:.2f} s")
        last = seen["last"]

        # The machine's power is cut.
        beta.kill_agent()
        beta.end_cells()
        until(lambda: not emulators(beta), 10)
        beta.start_agent()
        again = until(lambda: answer(alpha, SERVICE_ADDRESS), 60, 0.2)
        checks(bool(again), "after its host's restart it is booted again", beta.agent_log()[-300:] if not again else again)
        checks(bool(again) and again[0] > last, "and has lost no number", (last, again))
        client = Client(lab)
        time.sleep(0.3)

        done = beta.move("run", *words(alpha, "--yes", kind="chroot"), patience=300)
        checks(done.returncode == 0, "it moves back, into a chroot", done.stderr.strip()[-300:])
        checks.say(f"      back: held {pause_of(beta)[0]:.2f} s, sent {pause_of(beta)[1]} bytes")
        checks(until(lambda: answer(beta, SERVICE_ADDRESS), 5)[1] == "alpha", "it answers from the source again")
        checks(bool(until(lambda: not emulators(beta) and not traces(beta), 15)), "of the machine nothing is left", (emulators(beta), traces(beta)))
        pauses = []
        for number in range(0 if quick else 2):
            here, there = ((alpha, beta), (beta, alpha))[number % 2]
            done = here.move("run", *words(there, "--yes"), patience=300)
            if not checks(done.returncode == 0, f"machine to machine, move {number + 1}", done.stderr.strip()[-300:]):
                checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
                break
            pauses.append(pause_of(here)[0])
            checks.say(f"      held {pause_of(here)[0]:.2f} s, sent {pause_of(here)[1]} bytes")
        time.sleep(0.5)
        seen = client.end()
        checks(seen["backwards"] == 0 and seen["last"] >= seen["numbers"], "no number is given twice, none goes backwards",
               f"{seen['numbers']} answers, the last is {seen['last']}")
        checks(seen["refused"] == 0, "no connection was refused", seen["refused"])
        checks.say(f"      held {', '.join(f'{pause:.2f}' for pause in pauses)} s; the client's longest gap {seen['gap']:.2f} s")


def files(checks):
    """What a machine's file system, the cell's root by 9p, keeps of what programs expect of one; and what they map comes back."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        port, folder = 9100, "/srv/files"
        alpha.write(f"{folder}/files.py", (HERE / "files.py").read_bytes())
        for name in ("mapped", "lazy"):
            alpha.write(f"{folder}/data/{name}", b"0" * 8192)
        words = [PYTHON, f"{folder}/files.py", port, f"{folder}/data"]
        alpha.spawn(*words)
        made = plan(alpha, {"executable": PYTHON, "script": f"{folder}/files.py"}, packages=["python3.11-minimal", "libpython3.11-stdlib"],
                    entries=[folder], ports=[port])
        for host, other in ((alpha, "beta"), (beta, "alpha")):
            host.write("/root/plan.json", json.dumps(made))
            install_kernel(host)
            host.start_agent("--accept", other, *OPTIONS)
        until(lambda: alpha.path(f"{folder}/data/found.json").exists(), 10)
        before = json.loads(alpha.path(f"{folder}/data/found.json").read_text())
        check = f"timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"
        for here, there, kind in ((alpha, beta, "machine"), (beta, alpha, "chroot")):
            done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "files", "--confirm", check, "--yes",
                             "--isolation", kind, patience=300)
            if not checks(done.returncode == 0, f"it moves to {there.name}, into a {kind}", done.stderr.strip()[-200:]):
                checks.say(done.stderr + alpha.agent_log() + beta.agent_log())
                return
            root = there.path(f"{CELL}/files/root{folder}/data")
            after = json.loads((root / "found.json").read_text())
            for name, value in after.items():
                checks.say(f"      {kind}: {name}: {value}" + ("" if value == before[name] else f"; on the host itself: {before[name]}"))
            if kind == "machine":
                kept = [name for name in after if before[name] is True and after[name] is not True]
                checks(kept == WITHOUT, f"a machine keeps what the host's own file system does, but for {', '.join(WITHOUT)}", kept)
                checks((root / "sparse").stat().st_blocks * 512 < 1 << 20, "holes are holes")
                # Of one moment, though the machine has written nothing of it yet.
                checks((root / "lazy").read_bytes()[:8] == b"00000001", "what was mapped and never flushed is in the machine's memory alone",
                       (root / "lazy").read_bytes()[:8])
                done = there.move("copy", "/root/plan.json", "--to", f"{here.name}={here.address}", "--name", "files", "--confirm", check,
                                  "--isolation", "chroot", patience=300)
                copied = here.path(f"{CELL}/files/root{folder}/data/lazy")
                checks(done.returncode == 0 and copied.exists() and copied.read_bytes()[:8] == b"00000003", "a copy has it all the same, and was tried",
                       (done.stderr.strip()[-200:], copied.exists() and copied.read_bytes()[:8]))
                goes_on = here.ask("timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{there.address}/{port}")
                checks(goes_on.returncode == 0 and len(emulators(there)) == 1, "and the machine goes on", goes_on.stderr)
        # Once at the host itself, in the machine, and in the chroot.
        checks((root / "mapped").read_bytes()[4000:4008] == b"00000003", "what was mapped and flushed came to and fro")
        checks((root / "lazy").read_bytes()[:8] == b"00000003", "and what was mapped and never flushed", (root / "lazy").read_bytes()[:8])


class MachineFault(isolation.IsolatedFault):
    """As for a container with a network of its own."""

    kind = "machine"

    def __init__(self, checks):
        super().__init__(checks)
        install_kernel(self.beta)
        self.beta.kill_agent()
        self.beta.start_agent("--accept", "alpha", *OPTIONS)

    def words(self, *more, check=None):
        words = [word for word in super().words(*more, check=check) if word != "--own-network"]
        # In software the programs' start takes longer than what faults allow for elsewhere.
        words[words.index("--within") + 1] = "60"
        return words


def faulty(checks, chosen=None):
    """kill -9 of the destination's agent at each line of its journal, and when the machine has come up and waits."""
    fault = MachineFault(checks)
    try:
        count = 0
        for name, line in chosen or [*faults.lines(), ("beta", "boot#1")]:
            if name != "beta":
                continue
            what = f"machine, the destination's agent killed at {line}"
            count += fault.dies(fault.beta, line, lambda: fault.alpha.move("run", *fault.words("--yes"), patience=300))
            if fault.holds(what) == "alpha":
                left = until(lambda: not emulators(fault.beta) and not traces(fault.beta), 15)
                checks(bool(left), f"{what}: of the machine nothing is left", (emulators(fault.beta), traces(fault.beta)))
            else:
                checks(len(emulators(fault.beta)) == 1, f"{what}: one machine runs", emulators(fault.beta))
            fault.begin_again()
        checks.say(f"      {count} places at which the agent was killed")
    finally:
        fault.end()


def redis(checks, quick=False):
    """Redis, to and fro between machines, under a client that reconnects."""
    class Machined(software.Redis):
        def __init__(self, host):
            super().__init__(host)
            for one in host.lab.hosts:
                install_kernel(one)

    found = software.moves(checks, Machined, 2, options=("--isolation", "machine"), agent=OPTIONS)
    checks(not found["missing"], "redis in machines: every acknowledged key has its value", f"{found['acknowledged']} keys, {found['missing']}")


def postgresql(checks):
    """PostgreSQL, to and fro between machines, under transactions."""
    bank.postgresql(checks, scale=2, times=4, rate=30, options=("--isolation", "machine"), agent=OPTIONS, prepare=install_kernel)
