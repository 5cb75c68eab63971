"""In which form moved programs run at the destination, and that they see nothing of one another."""

import contextlib
import json
import os
import pathlib
import signal
import time

import faults
from lab import HERE, PATH, Failure, Lab, until
from services import PYTHON, SERVICE_ADDRESS, answer, plan

PORT, FOLDER, KEY = 9000, "/srv/neighbour", "5e770001"
ADDRESSES = {"alpha": "10.77.0.100", "gamma": "10.77.0.101"}
ODD = 'a "quote", a \\, a $dollar and ünïcode\nin two lines'


class Neighbour:
    """The service at one host, under the same path, port and key as its like at another."""

    def __init__(self, host, address=True):
        self.host, self.word = host, f"of-{host.name}"
        host.write(FOLDER + "/neighbour.py", (HERE / "neighbour.py").read_bytes())
        host.path(FOLDER + "/data").mkdir(exist_ok=True)
        os.chown(host.path(FOLDER + "/data"), 2001, 2002)
        host.run("mkdir", "-p", "/run/neighbour")
        words = [PYTHON, FOLDER + "/neighbour.py", PORT, FOLDER + "/data", KEY, self.word]
        host.spawn("setpriv", "--reuid=2001", "--regid=2002", "--groups=2003,2004", "prlimit", "--nofile=500:1000", *words,
                   environment={**PATH, "STRANGE": ODD})
        made = plan(host, {"executable": PYTHON, "script": FOLDER + "/neighbour.py"},
                    packages=["python3.11-minimal", "libpython3.11-stdlib", "libpython3.11-minimal", "libffi8"],
                    entries=[FOLDER], ports=[PORT])
        host.write("/root/plan.json", json.dumps(made))
        if not until(lambda: ask(host, host.address), 10):
            raise Failure(f"the neighbour does not answer: {(host.folder / 'service.log').read_text()[-600:]}")
        if address:
            host.run("ip", "addr", "add", f"{ADDRESSES[host.name]}/24", "dev", "eth0")

    def options(self, there, kind, *more):
        return ["/root/plan.json", "--to", f"{there.name}={there.address}", "--name", f"neighbour-{self.host.name}",
                "--isolation", kind, "--within", "60", *more]

    def own(self):
        return ["--own-network", "--address", f"{ADDRESSES[self.host.name]}/24"]


def ask(place, address, line="\n", port=PORT, timeout=3):
    """What the service at an address says, asked from a host or from the switch; nothing where none answers."""
    script = ("import socket, sys\n"
              "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))\n"
              "c.settimeout(float(sys.argv[3])); c.sendall(sys.argv[4].encode()); data = b''\n"
              "while not data.endswith(b'\\n'):\n"
              "    part = c.recv(5000)\n"
              "    if not part: sys.exit(1)\n"
              "    data += part\n"
              "sys.stdout.write(data.decode())")
    words = [PYTHON, "-c", script, address, str(port), str(timeout), line]
    if isinstance(place, Lab):
        client = place.client(*words, stdin=-3, stdout=-1, stderr=-3, text=True)
        out, _ = client.communicate(timeout=timeout * 4)
        return json.loads(out) if client.returncode == 0 and out else None
    done = place.ask(*words)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None


def traces(host):
    """What networks of cells have left at a host."""
    names = host.run("ip", "-o", "link").splitlines()
    left = [line for line in names if ": rn" in line]
    left += [line for line in host.run("nft", "list", "tables").splitlines() if "retinue_" in line]
    left += [line for line in host.ask("ip", "netns").stdout.splitlines() if line]
    names = [place.name for kind in ("runc", "nspawn") for place in host.path("/var/lib/retinue-agent/cells").glob(f"*/{kind}/*")]
    left += [f"container {name}" for name in names]
    return left


def forwarding(host):
    return host.run("cat", "/proc/sys/net/ipv4/ip_forward").strip()


def cell_pid(host, name):
    state = json.loads(host.path(f"/var/lib/retinue-agent/cells/{name}/cell.json").read_text())
    return state["pid"]


def moved(checks, done, what, *hosts):
    if not checks(done.returncode == 0, what, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""):
        checks.say(done.stderr + "".join(host.agent_log() for host in hosts))
        raise Failure(f"{what}: it is needed for the rest")


def groups():
    """Control groups of containers on this machine; a laboratory's hosts share them."""
    return {path for path in pathlib.Path("/sys/fs/cgroup").glob("**/retinue-*-[0-9]")}


def isolation(checks):
    for first, second in (("container", "runc"), ("nspawn", "container"), ("runc", "nspawn")):
        side_by_side(checks, first, second)
    published(checks)
    undone(checks)
    for kind in ("container", "runc", "nspawn"):
        lasting(checks, kind)


def side_by_side(checks, first, second):
    """Two that use the same path, TCP port and System V key, at one destination."""
    with Lab("alpha", "beta", "gamma") as lab:
        beta = lab.beta
        one, other = Neighbour(lab.alpha), Neighbour(lab.gamma)
        beta.start_agent("--accept", "alpha", "--accept", "gamma")
        pair = f"{first} beside {second}"
        before = {}
        for service, kind in ((one, first), (other, second)):
            service.host.start_agent("--accept", "beta")
            before[service.word] = ask(lab, service.host.address)
            moved(checks, service.host.move("run", *service.options(beta, kind, "--yes", *service.own())),
                  f"{pair}: {service.word} has moved ({kind})", service.host, beta)
        # To each the private addresses of both are named, and its own loopback, which is the one it may reach.
        line = "198.18.0.2 198.18.0.6 127.0.0.1\n"
        for service, kind, own in ((one, first, "198.18.0.2"), (other, second, "198.18.0.6")):
            said = until(lambda: ask(lab, ADDRESSES[service.host.name], line, timeout=5), 5) or {}
            was = before[service.word]
            checks({said.get(key) for key in ("word", "segment", "file")} == {service.word} and said["number"] == was["number"] + 1,
                   f"{pair}: at its address {service.word} answers, with its own file and segment", said.get("number"))
            checks(said.get("processes") == [service.word], f"{pair}: {service.word} sees no process of the other", said.get("processes"))
            checks(sorted(said.get("reached", [])) == sorted({own, "127.0.0.1"}),
                   f"{pair}: {service.word} reaches itself and not the other's network", said.get("reached"))
            checks(all(said.get(key) == was[key] for key in ("user", "groups", "limit", "environment")),
                   f"{pair}: {service.word} has its user, groups, limit and environment ({kind})",
                   [said.get(key) for key in ("user", "groups", "limit")])
            if kind != "container":
                checks(int(said.get("capabilities", "ffffffffff"), 16) & ~0xA80425FB == 0,
                       f"{pair}: {service.word} has no more than a container's capabilities", said.get("capabilities"))
        segments = beta.run("ipcs", "-m")
        checks(f"0x{KEY}" not in segments, f"{pair}: the destination has no segment of that key itself")
        checks(ask(lab, beta.address, timeout=1) is None, f"{pair}: at the destination's own address nobody answers")
        # One goes back: the other is not touched by it.
        there = lab.alpha
        beta.write("/root/plan.json", there.path("/root/plan.json").read_bytes())
        moved(checks, beta.move("run", *one.options(there, "chroot", "--yes", "--address", f"{ADDRESSES['alpha']}/24")),
              f"{pair}: {one.word} has moved on, to where it came from", beta, there)
        back, stays = ask(lab, ADDRESSES["alpha"]) or {}, ask(lab, ADDRESSES["gamma"]) or {}
        checks(back.get("word") == one.word and back["number"] == before[one.word]["number"] + 2, f"{pair}: it answers there",
               back.get("number"))
        checks(stays.get("word") == other.word, f"{pair}: the other answers still")
        checks(len([line for line in traces(beta) if ": rn" in line]) == 1, f"{pair}: its network is gone, the other's is there",
               traces(beta))


def published(checks):
    """Where the port is taken, and no address moves: another number."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        service = Neighbour(alpha, address=False)
        taken = Neighbour(beta, address=False)
        alpha.start_agent()
        beta.start_agent("--accept", "alpha")
        done = alpha.move("check", *service.options(beta, "container", "--own-network"))
        checks(done.returncode == 1 and "--publish" in done.stdout, "a port that is taken there is refused, with what helps",
               done.stdout.strip()[-200:])
        moved(checks, alpha.move("run", *service.options(beta, "container", "--yes", "--own-network", "--publish", f"{PORT}=9001", "--forward")),
              "with another number outside it moves", alpha, beta)
        said, at_home, by_way = ask(lab, beta.address, port=9001) or {}, ask(lab, beta.address) or {}, ask(lab, alpha.address) or {}
        checks(said.get("word") == service.word, "under that number it answers")
        checks(at_home.get("word") == taken.word, "under the other the program that was there does")
        checks(by_way.get("word") == service.word, "what still comes to the source is passed on to that number")
        checks((ask(beta, "127.0.0.1", port=9001) or {}).get("word") == service.word, "the destination reaches it by 127.0.0.1")


def undone(checks):
    """A rollback, and a check that fails, leave nothing of the network."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        service = Neighbour(alpha)
        alpha.start_agent()
        beta.start_agent("--accept", "alpha")
        was, groups_before = forwarding(beta), groups()
        for kind in ("container", "runc", "nspawn"):
            done = alpha.move("run", *service.options(beta, kind, "--yes", *service.own(), "--confirm", "exit 7", "--within", "5"))
            checks(done.returncode == 1 and traces(beta) == [] and forwarding(beta) == was,
                   f"{kind}: a check that fails: nothing of the network is left", [*traces(beta), done.stderr.strip()[-120:]])
            said = until(lambda: ask(lab, ADDRESSES["alpha"]), 5) or {}
            checks(said.get("word") == service.word, f"{kind}: the source answers")
            door = f"timeout 2 bash -c 'exec 3<>/dev/tcp/127.0.0.1/{PORT}'"
            moved(checks, alpha.move("cutover", *service.options(beta, kind, *service.own(), "--confirm", door)), f"{kind}: cut over", alpha, beta)
            checks(len(traces(beta)) >= 3 and forwarding(beta) == "1", f"{kind}: then its network is there", len(traces(beta)))
            done = alpha.move("verify", *service.options(beta, kind, *service.own(), "--confirm", door))
            checks(done.returncode == 0, f"{kind}: the check runs in its network", done.stderr.strip()[-160:])
            alpha.move("rollback", *service.options(beta, kind, *service.own(), "--confirm", door))
            checks(traces(beta) == [] and forwarding(beta) == was, f"{kind}: rolled back, nothing is left", traces(beta))
            said = until(lambda: ask(lab, ADDRESSES["alpha"]), 5) or {}
            checks(said.get("word") == service.word, f"{kind}: the source answers again", said.get("number"))
        left = groups() - groups_before
        checks(not left, "no control group of theirs is left", left)


def lasting(checks, kind):
    """It outlives the agent, and comes again with it after what a reboot takes away."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        service = Neighbour(alpha)
        name = "neighbour-alpha"
        alpha.start_agent()
        beta.start_agent("--accept", "alpha")
        moved(checks, alpha.move("run", *service.options(beta, kind, "--yes", *service.own())), f"{kind}: it has moved", alpha, beta)
        number = (ask(lab, ADDRESSES["alpha"]) or {"number": 0})["number"]
        pid = cell_pid(beta, name)
        beta.kill_agent()
        checks((ask(lab, ADDRESSES["alpha"]) or {}).get("number") == number + 1, f"{kind}: without its agent it answers")
        beta.start_agent()
        checks(cell_pid(beta, name) == pid and (ask(lab, ADDRESSES["alpha"]) or {}).get("number") == number + 2,
               f"{kind}: the agent finds it running")
        beta.kill_agent()
        os.kill(pid, signal.SIGKILL)
        until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 5)
        for line in beta.ask("ip", "netns").stdout.split():
            if line.startswith("retinue-"):
                beta.run("ip", "netns", "del", line)
        beta.run("nft", "flush", "ruleset")
        beta.run("ip", "addr", "del", f"{ADDRESSES['alpha']}/24", "dev", "eth0")
        beta.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        beta.start_agent()
        said = until(lambda: ask(lab, ADDRESSES["alpha"], timeout=1), 10) or {}
        checks(said.get("number") == number + 3 and cell_pid(beta, name) != pid, f"{kind}: after a reboot it is there again", said.get("number"))
        # A program that ends by itself leaves its reason.
        program = [entry for entry in os.listdir("/proc") if entry.isdigit() and is_program(entry, beta)]
        for entry in program:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry), signal.SIGSEGV)
        log = beta.path(f"/var/lib/retinue-agent/cells/{name}/log")
        said = until(lambda: [row for row in log.read_text(errors="replace").splitlines() if "has ended" in row], 5)
        checks(bool(said), f"{kind}: why it has ended is in its log", (said or ["?"])[-1])
        status = [one for one in beta.status()["arrivals"] if one["name"] == name][0]
        until(lambda: not [one for one in beta.status()["arrivals"] if one["name"] == name][0]["running"], 5)
        status = [one for one in beta.status()["arrivals"] if one["name"] == name][0]
        checks(status["running"] is False, f"{kind}: and the status says that it does not run")


def is_program(pid, host):
    with contextlib.suppress(OSError):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if len(words) > 5 and words[1].endswith(b"neighbour.py") and words[5] == b"of-alpha":
            return os.readlink(f"/proc/{pid}/ns/net") != os.readlink(f"/proc/{host.pid}/ns/net")
    return False


class IsolatedFault(faults.Fault):
    """As for a chroot, but the counter has a network of its own there: under the address that moves with it, and no other."""

    kind = "container"

    def words(self, *more, check=None):
        return [*super().words(*more, check=check), "--isolation", self.kind, "--own-network"]

    def place(self):
        """Where it answers under its address, from either host; the cell is called as the move is."""
        found = {said[1]: said[0] for said in (answer(host, SERVICE_ADDRESS) for host in (self.alpha, self.beta)) if said}
        if len(found) != 1:
            return None
        name, number = next(iter(found.items()))
        at_alpha = answer(self.alpha, self.alpha.address)
        name = {"counter": "beta"}.get(name, name)
        return (name, number) if bool(at_alpha) == (name == "alpha") else None


def faulty(checks):
    """kill -9 of the destination's agent at each line of its journal: the network of its own is there where the service is."""
    fault, count = IsolatedFault(checks), 0
    try:
        for number, (name, line) in enumerate(one for one in faults.lines() if one[0] == "beta"):
            fault.kind = ("container", "runc", "nspawn")[number % 3]
            what = f"{fault.kind}, the destination's agent killed at {line}"
            count += fault.dies(fault.beta, line, lambda: fault.alpha.move("run", *fault.words("--yes")))
            where = fault.holds(what)
            left = until(lambda: [row for row in traces(fault.beta) if "retinue_net" in row or ": rn" in row or "container" in row] == [], 10) \
                if where == "alpha" else None
            checks(where == "beta" or bool(left), f"{what}: and its network is only there where it is", where if left or where == "beta" else traces(fault.beta))
            fault.begin_again()
        checks.say(f"      {count} places at which the agent was killed")
    finally:
        fault.end()
