"""RPC servers that are handed over under clients whose handles stay open. Client and server are what rpcgen makes."""

import json
import os
import pathlib
import statistics
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from services import SERVICE_ADDRESS, plan

NUMBER = 0x20000111
PACKAGES = ["libtirpc3", "libtirpc-common", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libcom-err2", "libkrb5support0",
            "libkeyutils1", "libssl3", "dash"]
# Where the libraries of i386 are; apt-get install libtirpc3:i386, or its packages unpacked.
LIBRARIES_32 = os.environ.get("RETINUE_I386_ROOT", "")
SAVE = "kill -USR1 $RETINUE_PID; until [ -e $D.saved ]; do :; done"
RESTORE = "kill -USR2 $RETINUE_PID; until [ -e $D.restored ]; do :; done"
DATA = "/srv/counter/data"


def build(folder):
    """The programs, made by rpcgen and the compiler once."""
    folder.mkdir()
    for name in ("counter.x", "procedures.c", "client.c", "other.x", "other.c"):
        (folder / name).write_bytes((HERE / "rpc" / name).read_bytes())
    for name in ("counter.x", "other.x"):
        run("rpcgen", "-C", name, cwd=folder)
    flags = ["-Wno-unused-variable", "-I/usr/include/tirpc"]
    run("gcc", *flags, "-o", "server", "counter_svc.c", "procedures.c", "-ltirpc", cwd=folder)
    run("gcc", *flags, "-o", "client", "counter_clnt.c", "client.c", "-ltirpc", cwd=folder)
    run("gcc", *flags, "-o", "other", "other_svc.c", "other.c", "-ltirpc", cwd=folder)
    return folder


def build_32(folder):
    """The server for i386, of the same sources; nothing where its libraries are not there."""
    roots = [LIBRARIES_32 + "/lib/i386-linux-gnu", LIBRARIES_32 + "/usr/lib/i386-linux-gnu"]
    library = [pathlib.Path(root) / "libtirpc.so.3" for root in roots if (pathlib.Path(root) / "libtirpc.so.3").exists()]
    if not library:
        raise Failure("no libtirpc.so.3 of i386: apt-get install libtirpc3:i386, or RETINUE_I386_ROOT")
    path = ":".join(roots)
    run("gcc", "-m32", "-Wno-unused-variable", "-I/usr/include/tirpc", "-o", "server32", "counter_svc.c", "procedures.c",
        str(library[0]), f"-Wl,-rpath,{path}", f"-Wl,-rpath-link,{path}", "-Wl,--disable-new-dtags", cwd=folder)


class Setting:
    """A server at alpha, rpcbind at alpha and beta, a client at gamma."""

    def __init__(self, lab, program="server"):
        self.lab, self.alpha, self.beta, self.gamma = lab, lab.alpha, lab.beta, lab.gamma
        self.processes = []
        folder = build(lab.folder / "programs")
        if program == "server32":
            build_32(folder)
        for host in (self.alpha, self.beta):
            host.run("mkdir", "-p", "/run/rpcbind")
            self.keep(host, "/usr/sbin/rpcbind", "-f")
            if not until(lambda: host.path("/run/rpcbind.sock").exists(), 10):
                raise Failure(f"rpcbind of {host.name} is not ready")
        for name in ("server", "server32"):
            if (folder / name).exists():
                self.install(self.alpha, folder / name, f"/srv/counter/{name}")
        self.install(self.beta, folder / "other", "/srv/other")
        self.install(self.gamma, folder / "client", "/srv/client")
        self.alpha.spawn(f"/srv/counter/{program}", environment={**PATH, "COUNTER_DATA": DATA})
        if not until(lambda: len(self.registered(self.alpha)) == 2, 10):
            raise Failure(f"the server has not registered: {(self.alpha.folder / 'service.log').read_text()}")
        self.alpha.write("/root/plan.json", json.dumps(
            plan(self.alpha, {"executable": f"/srv/counter/{program}"}, packages=PACKAGES, entries=["/srv/counter"])))
        self.alpha.start_agent()
        self.beta.start_agent("--accept", "alpha")
        self.gamma.start_agent("--follow", "alpha")

    @staticmethod
    def install(host, source, path):
        host.write(path, source.read_bytes())
        host.path(path).chmod(0o755)

    def keep(self, host, *words):
        process = subprocess.Popen(host.words(*words, group=False), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, env=PATH)
        self.processes.append(process)
        return process

    def registered(self, host, programs=None):
        """{(program, version, transport): port} of a host; of the counter unless others are named."""
        found = {}
        for line in host.ask("/usr/sbin/rpcinfo", "-p", "127.0.0.1").stdout.splitlines()[1:]:
            program, version, transport, port = line.split()[:4]
            if int(program) in (programs or [NUMBER]):
                found[(int(program), int(version), transport)] = int(port)
        return found

    def all(self, host):
        lines = host.ask("/usr/sbin/rpcinfo", "-p", "127.0.0.1").stdout.splitlines()[1:]
        words = [line.split()[:4] for line in lines]
        return {(int(word[0]), int(word[1]), word[2]): int(word[3]) for word in words if int(word[0]) != 100000}

    def take_ports(self):
        """The server's ports at beta are another program's."""
        ports = self.registered(self.alpha)
        script = "import socket, sys, time\nkept = []\n" + "".join(
            f"s = socket.socket(socket.AF_INET, socket.SOCK_{'STREAM' if key[2] == 'tcp' else 'DGRAM'}); s.bind(('', {port})); kept.append(s)\n"
            for key, port in ports.items()) + "print('taken', flush=True)\ntime.sleep(1000)\n"
        process = subprocess.Popen(self.beta.words("/usr/bin/python3", "-c", script, group=False), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, env=PATH, text=True)
        self.processes.append(process)
        if process.stdout.readline() != "taken\n":
            raise Failure("the ports were not taken")
        process.stdout.close()
        return ports

    def take_number(self):
        self.beta.spawn("/srv/other")
        if not until(lambda: len(self.registered(self.beta)) == 2, 10):
            raise Failure("the other server has not registered")
        return self.registered(self.beta)

    def client(self, transport, *more, rate=100, address=None):
        process = subprocess.Popen(self.gamma.words("/srv/client", address or self.alpha.address, transport, rate, *more, group=False),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=PATH, text=True)
        self.processes.append(process)
        line = process.stderr.readline()
        if line != "open\n":
            raise Failure(f"the client: {line}")
        return process

    @staticmethod
    def result(process, timeout=60):
        out, errors = process.communicate("\n", timeout=timeout)
        if process.returncode:
            raise Failure(f"the client: {process.returncode} {errors[-300:]}")
        return {**json.loads(out), "errors": errors.strip()}

    def hand_over(self, *more, save=SAVE, restore=RESTORE, clients=("gamma",)):
        named = [f"--client={name}={getattr(self.lab, name).address}" for name in clients]
        return self.alpha.move("handover", "/root/plan.json", "--to", f"beta={self.beta.address}", "--name", "counter", "--data", DATA,
                               "--save", f"D={DATA}; {save}", "--restore", f"D=$RETINUE_ROOT{DATA}; {restore}", *named, *more)

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()


def goes_on(checks, what, seen):
    checks(seen["jumps"] == 0 and seen["failed"] == 0 and seen["values"] == seen["last"] - seen["first"] + 1,
           f"{what}: the open handle goes on, each value is the one before and one",
           f"{seen['values']} values, {seen['jumps']} jumps, {seen['failed']} failed {seen['errors'][5:]}, longest gap {seen['gap'] * 1000:.0f} ms")


def case(checks, transport, what, more=(), prepare=None, look=None, program="server", address=None, slow=(), clients=("gamma",),
         fails=False, **hooks):
    """One hand-over with one thing that has to change, under one open handle."""
    title = f"{transport}, {what}"
    with Lab("alpha", "beta", "gamma") as lab:
        setting = Setting(lab, program)
        try:
            known = prepare(setting) if prepare else None
            if address:
                setting.alpha.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
                more = [*more, "--address", f"{address}/24"]
            client = setting.client(transport, *slow, address=address)
            time.sleep(0.3)
            done = setting.hand_over(*more, clients=clients, **hooks)
            said = done.stderr.strip().splitlines()[-1] if done.stderr else ""
            if not checks((done.returncode != 0) == fails, f"{title}: {'undone' if fails else 'handed over'}", said):
                for host in lab.hosts:
                    checks.say(f"{host.name}: {host.agent_log()}")
                checks.say(done.stderr)
            time.sleep(0.5)
            seen = setting.result(client)
            if clients:
                goes_on(checks, title, seen)
            else:
                checks(seen["jumps"] == 0 and seen["values"] == seen["last"] - seen["first"] + 1 and seen["last"] > seen["first"],
                       f"{title}: the open handle goes on after calls that were refused, no value twice or missing",
                       f"{seen['values']} values, {seen['failed']} refused, longest gap {seen['gap'] * 1000:.0f} ms")
            if fails:
                checks(len(setting.registered(setting.alpha)) == 2, f"{title}: rpcbind of the old host knows it again")
                checks(not setting.registered(setting.beta), f"{title}: the other one does not")
                checks(not setting.alpha.ask("nft", "list", "tables").stdout and not setting.gamma.ask("nft", "list", "tables").stdout,
                       f"{title}: no rule is left")
            else:
                checks(not setting.registered(setting.alpha), f"{title}: rpcbind of the old host does not know it any more")
                checks(not setting.alpha.group.members(), f"{title}: the old server has ended")
                checks(setting.registered(setting.beta) or setting.all(setting.beta), f"{title}: rpcbind of the new host knows it")
            if look:
                look(title, setting, known)
            if checks.failed:
                checks.say(done.stderr)
            return seen["gap"]
        finally:
            setting.end()


def another_port(checks):
    def look(title, setting, known):
        now = setting.registered(setting.beta)
        checks(set(now) == set(known) and all(now[key] != known[key] for key in known), f"{title}: the same number at another port",
               f"{known} then {now}")
    return look


def another_number(checks, is_version):
    def look(title, setting, known):
        everything = setting.all(setting.beta)
        checks(all(everything.get(key) == port for key, port in known.items()), f"{title}: the other server's registration is as it was")
        new = sorted({key[:2] for key in everything if key not in known})
        holds = len(new) == 1 and (new[0][0] == NUMBER and new[0][1] != 1 if is_version else new[0][0] != NUMBER and new[0][1] == 1)
        checks(holds, f"{title}: it is registered under another {'version' if is_version else 'program number'}", new)
        for name in ("udp", "tcp"):
            port = everything.get((*new[0], name)) if new else None
            said = setting.gamma.ask("/usr/sbin/rpcinfo", "-n", str(port), f"-{name[0]}", setting.beta.address,
                                     *map(str, new[0])) if port else None
            checks(said is not None and "ready and waiting" in said.stdout, f"{title}: it answers under that number over {name}",
                   said.stderr.strip() if said else "")
    return look


def rpc(checks):
    """Each case by itself, over UDP and over TCP."""
    for transport in ("udp", "tcp"):
        case(checks, transport, "another port", prepare=Setting.take_ports, look=another_port(checks))
        case(checks, transport, "another version", ["--renumber", "version"], Setting.take_number, another_number(checks, True))
        case(checks, transport, "another program number", prepare=Setting.take_number, look=another_number(checks, False))
        case(checks, transport, "the address moves", address=SERVICE_ADDRESS)
        case(checks, transport, "calls of 150 ms", slow=(150,))
        case(checks, transport, "a restore that fails", fails=True, restore="false")
    case(checks, "udp", "the address moves, a client without an agent", address=SERVICE_ADDRESS, clients=())


def rpc32(checks):
    """A server of i386 hands its XDR data to one of amd64."""
    for transport in ("udp", "tcp"):
        case(checks, transport, "i386 to amd64", ["--start", "exec /srv/counter/server"], program="server32")


def pauses(checks, times=15):
    """The longest time from one answer to the next at 100 calls a second: figures."""
    for what, address in (("with the address moved", SERVICE_ADDRESS), ("without", None)):
        for transport in ("udp", "tcp"):
            gaps = sorted(case(checks, transport, f"{what}, {number + 1}", address=address) for number in range(times))
            checks.say(f"      {transport}, {what}: median pause {statistics.median(gaps) * 1000:.0f} ms, "
                       f"p95 {gaps[int(len(gaps) * 0.95)] * 1000:.0f} ms, of {times}")


def faults(checks):
    """kill -9 of each agent at each line of a hand-over; the server answers at one place, each value is the one before and one."""
    lines = run(PRODUCTS / "retinue-agent", "steps", "--handover").split()[1::2]
    places = [("alpha", line) for line in [*lines, "freeze:begun", "freeze:done", "final-copy:done", "start:begun", "start:done",
                                           "release:begun", "admit:begun", "admit:done", "release:done"]]
    places += [("beta", line) for line in ("start:begun", "start:done", "admit:begun", "admit:done")]
    places += [("gamma", line) for line in ("stand-in:begun", "stand-in:done", "announce:begun", "announce:done")]
    for name, line in places:
        fault(checks, name, line)


def fault(checks, name, line, transport="udp"):
    title = f"kill -9 of {name}'s agent at {line}"
    with Lab("alpha", "beta", "gamma") as lab:
        setting = Setting(lab)
        try:
            host = getattr(lab, name)
            host.kill_agent()
            host.start_agent(*host.options, "--die-at", line)
            client = setting.client(transport)
            time.sleep(0.2)
            setting.hand_over("--within", "10")
            checks(until(lambda: host.agent.poll() is not None, 3), f"{title}: it died", host.agent.poll())
            host.options = [option for option in host.options if option not in ("--die-at", line)]
            host.start_agent()

            def is_settled():
                moves = setting.alpha.status().get("departures", [])
                settled = [move for move in moves if move["state"] in ("open", "moved") and not move["activity"]]
                places = [bool(setting.registered(one)) for one in (setting.alpha, setting.beta)]
                return settled and places.count(True) == 1 and ("open" if places[0] else "moved") == settled[0]["state"]

            checks(until(is_settled, 30, 0.2) is not None, f"{title}: it is at exactly one place",
                   [move["state"] for move in setting.alpha.status().get("departures", [])])
            time.sleep(3)
            before = time.monotonic()
            seen = setting.result(client, timeout=90)
            checks(seen["jumps"] == 0 and seen["values"] == seen["last"] - seen["first"] + 1,
                   f"{title}: each value is the one before and one",
                   f"{seen['values']} values, {seen['failed']} failed, longest gap {seen['gap']:.2f} s")
            checks(time.monotonic() - before < 3 and seen["failed"] == 0, f"{title}: calls are answered again, none failed",
                   seen["failed"])
            if checks.failed:
                checks.say(setting.alpha.agent_log() + lab.beta.agent_log() + lab.gamma.agent_log())
        finally:
            setting.end()
