"""An agent, the command or the link ends at each line of the journal; the service answers at exactly one place after that."""

import contextlib
import os
import signal
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from services import SERVICE_ADDRESS, Counter, answer

# Seconds after which what was not committed undoes itself.
WITHIN = 6


def lines():
    """(agent, line) of each journal line that a run writes, from the agent's own list."""
    found = []
    for line in run(PRODUCTS / "retinue-agent", "steps").splitlines():
        where, name = line.split()
        # Those of the destination stand in the source's journal as well: it asked.
        found.append(("alpha", name))
        if where == "destination":
            found.append(("beta", name))
    return found


class Fault:
    """One laboratory for all faults: the service is brought back to alpha where it has gone to beta."""

    def __init__(self, checks):
        self.checks = checks
        self.lab = Lab("alpha", "beta")
        self.alpha, self.beta = self.lab.alpha, self.lab.beta
        self.counter = Counter(self.alpha)
        self.alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        self.alpha.start_agent()
        self.beta.start_agent("--accept", "alpha")
        self.least = 0

    def words(self, *more, check=None):
        return ["/root/plan.json", "--to", f"beta={self.beta.address}", "--confirm", check or Counter.check, "--address",
                f"{SERVICE_ADDRESS}/24", "--within", str(WITHIN), "--name", "counter", *more]

    def place(self):
        """Where the service answers: by each host's own address, and by its own."""
        # What is passed on is answered by the other one, under both addresses.
        found = sorted({said[1] for said in (answer(host, host.address) for host in (self.alpha, self.beta)) if said})
        by_address = answer(self.lab.alpha if found == ["beta"] else self.lab.beta, SERVICE_ADDRESS)
        if len(found) != 1 or not by_address or by_address[1] != found[0]:
            return None
        return found[0], by_address[0]

    def holds(self, what, began=None):
        """Exactly one place, and no number that was answered is given again."""
        found = until(self.place, 25, 0.2)
        if not self.checks(found is not None and found[0] in ("alpha", "beta"), f"{what}: it answers at exactly one place",
                           found[0] if found else self.said()):
            raise Failure("the laboratory is of no further use")
        self.checks(found[1] > self.least, f"{what}: no number is lost", f"{self.least} before, {found[1]} after")
        self.checks(until(self.is_settled, 15, 0.1), f"{what}: the source knows where", self.states())
        self.least = found[1]
        return found[0]

    def states(self):
        return [move["state"] for move in self.alpha.status().get("departures", [])]

    def is_settled(self):
        return all(state in ("open", "moved") for state in self.states())

    def said(self):
        return (f"alpha {answer(self.alpha, self.alpha.address)}, beta {answer(self.beta, self.beta.address)}, by address "
                f"{answer(self.beta, SERVICE_ADDRESS)} {answer(self.alpha, SERVICE_ADDRESS)}; "
                f"{self.alpha.status()} {self.beta.status()}; {self.alpha.agent_log()[-600:]} | {self.beta.agent_log()[-600:]}")

    def reset(self):
        """The service begins at alpha again, on the host itself, as if nothing had been."""
        for host in (self.alpha, self.beta):
            if host.agent_lives():
                host.kill_agent()
            host.end_cells()
            for pid in host.group.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            host.run("rm", "-rf", "/var/lib/retinue-agent")
            subprocess.run(host.words("nft", "flush", "ruleset", group=False), env=PATH, check=True)
            host.ask("ip", "addr", "del", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        until(lambda: not self.alpha.group.members(), 5)
        # One of the lines is behind the removal of all of it.
        self.alpha.write("/srv/counter/counter.py", (HERE / "counter.py").read_bytes())
        self.alpha.write("/srv/counter/data/count", str(self.least))
        self.alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        self.lab.alpha.spawn(*self.counter.words)
        # Whoever remembers where the address was.
        self.beta.run("ip", "neigh", "flush", "all")
        if not until(lambda: answer(self.alpha, SERVICE_ADDRESS), 10):
            raise Failure("the counter does not count again")

    def begin_again(self):
        self.reset()
        self.alpha.start_agent()
        self.beta.start_agent()

    def dies(self, host, line, act):
        """Whether a host's agent ended at a line of its journal while something was done; it is started again then."""
        plain = [option for option in host.options if not option.startswith("--die-at")]
        host.kill_agent()
        host.start_agent(*plain, f"--die-at={line}")
        act()
        ended = bool(until(lambda: not host.agent_lives(), 3))
        host.options = plain
        if ended:
            host.start_agent()
        else:
            # This line is not written in such a run; the service has moved, and nothing is shown.
            self.checks.say(f"      {host.name} {line}: not written")
        return ended

    def end(self):
        self.lab.end()


def agents(checks, chosen=None):
    """kill -9 of either agent at each line of its journal."""
    fault = Fault(checks)
    try:
        count = 0
        for name, line in chosen or lines():
            host = getattr(fault.lab, name)
            options = ["--yes"] + (["--forward"] if line.startswith("forward") else [])
            if line.startswith("reconnect"):
                options += ["--client", f"beta={fault.beta.address}", "--old-address", fault.alpha.address]
            verb = "rehearse" if line.startswith("freeze") else "run"
            words = fault.words(*(options if verb == "run" else []))

            def act():
                fault.alpha.move(verb, *words)
                if line.startswith("remove") and host.agent_lives():
                    fault.alpha.move("commit", *fault.words("--remove"))

            count += fault.dies(host, line, act)
            fault.holds(f"{name} killed at {line}")
            fault.begin_again()
        checks.say(f"      {count} places at which an agent was killed")
    finally:
        fault.end()


def commands(checks):
    """kill -9 of the command, at moments across a run."""
    fault = Fault(checks)
    try:
        for tenths in range(0, 16, 2):
            command = subprocess.Popen(fault.alpha.words(PRODUCTS / "retinue", "move", "run", *fault.words("--yes"), "--agent",
                                                         "/run/agent.sock", group=False), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=PATH)
            time.sleep(tenths / 10)
            command.kill()
            command.wait()
            until(lambda: all(move["activity"] is None for move in fault.alpha.status().get("departures", [])), 20)
            fault.holds(f"the command killed after {tenths / 10} s")
            fault.begin_again()
    finally:
        fault.end()


def others(checks):
    """A link that is cut, a disk that is full, a check that fails, a port and an address that are taken."""
    fault = Fault(checks)
    alpha, beta = fault.alpha, fault.beta
    try:
        done = alpha.move("run", *fault.words("--yes", check="false"))
        checks(done.returncode == 1 and "check does not succeed" in done.stderr, "a check that fails is reported", done.stderr[-200:])
        checks(fault.holds("a check that fails") == "alpha", "a check that fails: the source serves")

        done = alpha.move("precopy", *fault.words())
        checks(done.returncode == 0, "pre-copied by itself", done.stderr[-200:])
        done = alpha.move("cutover", *fault.words())
        checks(done.returncode == 0, "cut over by itself", done.stderr[-200:])
        checks(answer(beta, alpha.address) is None, "while it is held no new client is let in at the source")
        checks(answer(alpha, beta.address) is None, "nor at the destination")
        time.sleep(WITHIN + 2)
        checks(fault.holds("not committed in time") == "alpha", "what is not committed in time undoes itself")

        done = alpha.move("cutover", *fault.words())
        done = alpha.move("verify", *fault.words())
        checks(done.returncode == 0, "verified by itself", done.stderr[-200:])
        fault.lab.command("ip", "link", "set", f"{fault.lab.prefix}2", "down")
        done = alpha.move("commit", *fault.words())
        checks(done.returncode == 1 and "not known" in done.stderr, "a commit over a link that is cut is in doubt, and says so",
               done.stderr[-300:])
        checks(not answer(alpha, alpha.address) , "in doubt, the source does not serve")
        fault.lab.command("ip", "link", "set", f"{fault.lab.prefix}2", "up")
        fault.holds("the link cut at the commit, and joined again")
        fault.begin_again()

        # In the middle of the pre-copy of much.
        alpha.run("dd", "if=/dev/urandom", "of=/srv/counter/data/much", "bs=1M", "count=200", "status=none")
        command = subprocess.Popen(alpha.words(PRODUCTS / "retinue", "move", "run", *fault.words("--yes", "--throttle", "20000000"),
                                               "--agent", "/run/agent.sock", group=False), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=PATH, text=True)
        time.sleep(2.5)
        fault.lab.command("ip", "link", "set", f"{fault.lab.prefix}2", "down")
        _, errors = command.communicate(timeout=60)
        checks(command.returncode == 1, "a link that is cut during the pre-copy is reported", errors[-200:])
        fault.lab.command("ip", "link", "set", f"{fault.lab.prefix}2", "up")
        checks(fault.holds("the link cut during the pre-copy") == "alpha", "the link cut during the pre-copy: the source serves")

        # Less room than is needed.
        beta.run("mkdir", "-p", "/var/lib/retinue-agent/cells/counter")
        beta.run("mount", "-t", "tmpfs", "-o", "size=150m", "tmpfs", "/var/lib/retinue-agent/cells/counter")
        done = alpha.move("run", *fault.words("--yes"))
        checks(done.returncode == 1 and "there is room for" in done.stderr, "a disk that is too small is found before", done.stderr[-200:])
        beta.run("umount", "/var/lib/retinue-agent/cells/counter")
        alpha.run("rm", "/srv/counter/data/much")
        checks(fault.holds("a disk that is too small") == "alpha", "a disk that is too small: the source serves")

        beta.spawn("/usr/bin/python3", "-c", "import socket, time; s = socket.create_server(('', 9000)); time.sleep(1000)")
        time.sleep(0.5)
        done = alpha.move("run", *fault.words("--yes"))
        checks(done.returncode == 1 and "something listens here on tcp/9000" in done.stderr, "a port that is taken is found before",
               done.stderr[-200:])
        for pid in beta.group.members():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not beta.group.members(), 5)
        checks(fault.holds("a port that is taken") == "alpha", "a port that is taken: the source serves")

        beta.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/32", "dev", "lo")
        done = alpha.move("run", *fault.words("--yes"))
        checks(done.returncode == 1 and "is an address of this host already" in done.stderr, "an address that is taken is found before",
               done.stderr[-200:])
        beta.run("ip", "addr", "del", f"{SERVICE_ADDRESS}/32", "dev", "lo")
        checks(fault.holds("an address that is taken") == "alpha", "an address that is taken: the source serves")
    finally:
        fault.end()
