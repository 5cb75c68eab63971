"""What clients see of a move: those that arrive while nobody serves, those that have a connection, of IPv4 and of IPv6."""

import json
import statistics
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, until
from services import PYTHON, SERVICE_ADDRESS, Client, Counter, answer

ADDRESSES = {"IPv4": (SERVICE_ADDRESS, 24), "IPv6": ("fd77::100", 64)}


class Scene:
    """Two hosts with both kinds of addresses, a counter at alpha, and clients at the switch."""

    def __init__(self):
        self.lab = Lab("alpha", "beta")
        self.alpha, self.beta = self.lab.alpha, self.lab.beta
        self.lab.command("ip", "addr", "add", "fd77::fe/64", "dev", "switch", "nodad")
        self.lab.command("ip", "addr", "add", "10.77.0.253/24", "dev", "switch")
        self.lab.command("ip", "addr", "add", "fd77::fd/64", "dev", "switch", "nodad")
        self.lab.command("ip", "link", "set", "lo", "up")
        for host in (self.alpha, self.beta):
            host.run("ip", "addr", "add", f"fd77::{host.number}/64", "dev", "eth0", "nodad")
        for address, prefix in ADDRESSES.values():
            self.alpha.run("ip", "addr", "add", f"{address}/{prefix}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.counter = Counter(self.alpha)
        self.counter.plan["hosts"][0]["ports"].append({"address": "udp:0.0.0.0:9000", "program": PYTHON})
        for host in (self.alpha, self.beta):
            host.write("/root/plan.json", json.dumps(self.counter.plan))
        self.alpha.start_agent("--accept", "beta")
        self.beta.start_agent("--accept", "alpha")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.end()

    def move(self, verb, here, there, family, *more):
        address, prefix = ADDRESSES[family]
        done = here.move(verb, "/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter",
                         "--confirm", Counter.check, "--address", f"{address}/{prefix}", *more)
        if done.returncode:
            raise Failure(f"{verb}: {done.stderr}{here.agent_log()}{there.agent_log()}")
        return done

    def take_address(self, family, here, there):
        """The address to where the service is."""
        address, prefix = ADDRESSES[family]
        there.ask("ip", "addr", "del", f"{address}/{prefix}", "dev", "eth0")
        here.ask("ip", "addr", "add", f"{address}/{prefix}", "dev", "eth0", *(["nodad"] if ":" in address else []))
        self.lab.command("ip", "neigh", "flush", "dev", "switch")


class Attempt:
    """A client that sends one packet and nothing more: what it sends again is dropped where it is."""

    def __init__(self, enter, kind, address, own="-"):
        self.process = subprocess.Popen([*enter, "/usr/bin/python3", "-u", str(HERE / "attempt.py"), kind, own, address,
                                         str(Counter.port)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=PATH)
        if self.process.stdout.readline() != "sent\n":
            raise Failure("nothing was sent")

    def end(self, patience=30):
        return self.process.communicate(timeout=patience)[0].strip()


def silence(enter, begins=True):
    """No SYN of an attempt goes out any more."""
    rules = ("add table inet silence\nadd chain inet silence output { type filter hook output priority 0; }\n"
             "add rule inet silence output meta mark 7 tcp flags & (syn | ack) == syn drop\n") if begins else "delete table inet silence\n"
    subprocess.run([*enter, "nft", "-f", "-"], input=rules, text=True, env=PATH, check=True)


FIREWALL = f"""table inet firewall {{
  chain input {{
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    tcp dport 7420 accept
    iifname "eth0" ip saddr 10.77.0.254 tcp dport 9000 accept
    iifname "eth0" ip6 saddr fd77::fe tcp dport 9000 accept
    iifname "eth0" udp dport 9000 accept
  }}
}}
"""


def tcp(checks):
    """Each of these sends one packet while nobody serves: who gets an answer, and from where."""
    with Scene() as scene:
        here, there = scene.alpha, scene.beta
        switch = ["nsenter", f"--target={scene.lab.keeper.pid}", "--net"]
        for host in (here, there):
            host.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1")
            subprocess.run(host.words("nft", "-f", "-", group=False), input=FIREWALL, text=True, env=PATH, check=True)
        for family, (address, prefix) in ADDRESSES.items():
            # Where the last round has left the service; the address of the other family has stayed.
            scene.take_address(family, here, there)
            allowed, refused = ("10.77.0.254", "10.77.0.253") if family == "IPv4" else ("fd77::fe", "fd77::fd")
            for verb in ("rollback", "commit"):
                place = here if verb == "rollback" else there
                scene.move("cutover", here, there, family)
                attempts = {f"{family}, {kind}": Attempt(switch, kind, address, allowed) for kind in ("tcp", "udp")}
                denied = Attempt(switch, "tcp", address, refused)
                inside = here.words(group=False)
                local = Attempt(inside, "tcp", "127.0.0.1" if family == "IPv4" else "::1")
                if verb == "rollback":
                    attempts[f"{family}, tcp from the host itself"] = local
                for enter in (switch, inside):
                    silence(enter)
                scene.move("verify", here, there, family)
                scene.move(verb, here, there, family)
                for what, attempt in attempts.items():
                    said = attempt.end().split()
                    checks(len(said) == 2 and said[1] == place.name,
                           f"{what}: one packet, sent while it was held, is answered after the {verb} by {place.name}", " ".join(said))
                for attempt in (denied, local):
                    attempt.process.kill()
                checks(not denied.end().endswith((here.name, there.name)), f"{family}: whom the firewall refuses is not let in by the {verb}")
                for enter in (switch, inside):
                    silence(enter, False)
            here, there = there, here
        leftovers = [host.ask("ip", "-o", "link", "show", "type", "tun").stdout.strip() for host in (here, there)]
        checks(until(lambda: not any(host.ask("ip", "-o", "link", "show", "type", "tun").stdout.strip() for host in (here, there)), 8),
               "no device is left", leftovers)
        checks(not any("retinue_" in host.ask("nft", "list", "tables").stdout for host in (here, there)), "no table is left")


def own_start(host):
    """Seconds from exec to the first connection that the counter takes, by itself."""
    script = ("import socket, subprocess, sys, time\n"
              "begin = time.monotonic()\n"
              "p = subprocess.Popen(sys.argv[1:])\n"
              "while True:\n"
              "    try:\n        socket.create_connection(('127.0.0.1', 9001), 1); break\n"
              "    except OSError: time.sleep(0.0005)\n"
              "print(time.monotonic() - begin); p.kill()\n")
    return float(host.run(PYTHON, "-c", script, PYTHON, "/srv/counter/counter.py", "9001", "/tmp"))


def clients(checks, times=6):
    """To and fro under clients that never pause: no connection is refused; how much longer than the hold their gap is."""
    with Scene() as scene:
        here, there = scene.alpha, scene.beta
        start = statistics.median(own_start(here) for _ in range(5))
        checks.say(f"      the program's own start: {start * 1000:.0f} ms")
        for family, (address, _) in ADDRESSES.items():
            scene.take_address(family, here, there)
            watched = {"a connection for each number": Client(scene.lab, address), "one connection": Client(scene.lab, address, keep=True)}
            held = []
            for _ in range(times):
                time.sleep(0.3)
                scene.move("run", here, there, family, "--yes")
                status = [move for move in here.status()["departures"] if move["name"] == "counter"][0]
                held.append(status["pause_ns"] / 1e9)
                here, there = there, here
            time.sleep(0.3)
            for what, client in watched.items():
                seen = client.end()
                checks(seen["refused"] == 0 and seen["timeout"] == 0, f"{family}, {what}: none is refused, none times out",
                       f"{seen['refused']}, {seen['timeout']}")
                if what != "one connection":
                    checks(seen["reset"] == 0, f"{family}, {what}: no request that was under way is cut off", seen["errors"])
                checks(seen["backwards"] == 0, f"{family}, {what}: no number is given twice", f"{seen['numbers']} answers")
                checks(len(seen["gaps"]) == times, f"{family}, {what}: served at the other place after each move", len(seen["gaps"]))
                # A client that was answered just before the hold has that much more.
                extra = [gap - pause for gap, pause in zip(seen["gaps"], held)]
                checks.say(f"      {family}, {what}: gap {statistics.median(seen['gaps']):.3f} s ({min(seen['gaps']):.3f} to "
                           f"{max(seen['gaps']):.3f}), held {statistics.median(held):.3f} s; gap beyond the hold "
                           f"{statistics.median(extra) * 1000:.0f} ms (at most {max(extra) * 1000:.0f}); beyond the program's start "
                           f"{(statistics.median(seen['gaps']) - start) * 1000:.0f} ms; reset {seen['reset']} {seen['errors']}")


def forward(checks):
    """What still comes to the source is passed on, until the service is back; the host passes packets on only as long."""
    with Scene() as scene:
        alpha, beta = scene.alpha, scene.beta
        switch = ["nsenter", f"--target={scene.lab.keeper.pid}", "--net"]

        def switches():
            return alpha.run("cat", "/proc/sys/net/ipv4/ip_forward").strip()

        def move(verb, here, there, *more):
            done = here.move(verb, "/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter",
                             "--confirm", Counter.check, *more)
            return done

        alpha.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        # What stands in the journal is done again by an agent that died right after it.
        alpha.kill_agent()
        alpha.start_agent("--accept", "beta", "--die-at=forward:done")
        for verb in ("cutover", "verify"):
            done = move(verb, alpha, beta, "--forward")
            checks(done.returncode == 0, f"{verb}", done.stderr.strip()[-200:])
        attempt = Attempt(switch, "tcp", alpha.address)
        silence(switch)
        move("commit", alpha, beta, "--forward")
        checks(until(lambda: not alpha.agent_lives(), 3), "the agent has died while it began to forward")
        alpha.start_agent("--accept", "beta")
        silence(switch, False)
        attempt.process.kill()
        attempt.end()
        found = until(lambda: answer(beta, alpha.address), 10)
        checks(found and found[1] == "beta", "what comes to the source is answered by the destination", found)
        checks(switches() == "1", "the source passes packets on", switches())

        done = move("run", beta, alpha, "--yes")
        checks(done.returncode == 0, "back", done.stderr.strip()[-200:])
        found = answer(beta, alpha.address)
        checks(found and found[1] == "alpha", "the service is answered where it came back to", found)
        checks(switches() == "0", "packets are passed on no more", switches())

        for verb in ("cutover", "verify"):
            move(verb, alpha, beta, "--forward")
        attempt = Attempt(switch, "tcp", alpha.address)
        silence(switch)
        move("commit", alpha, beta, "--forward")
        said = attempt.end().split()
        checks(len(said) == 2 and said[1] == "beta", "one packet to the source, sent while it was held, is answered by the destination",
               " ".join(said))
        silence(switch, False)


def reconnect(checks):
    """Clients that stay: their hosts send them to the new address, and back; a host that is away for the time does so later."""
    with Lab("alpha", "beta", "gamma") as lab:
        alpha, beta, gamma = lab.alpha, lab.beta, lab.gamma
        counter = Counter(alpha)
        counter.plan["hosts"][0]["endpoints"] = [
            {"address": f"tcp:{alpha.address}:9000", "program": PYTHON, "direction": "in", "count": 3},
            {"address": "tcp:10.9.9.9:5432", "program": PYTHON, "direction": "out", "count": 1}]
        for host in (alpha, beta):
            host.write("/root/plan.json", json.dumps(counter.plan))
        for host in (gamma, alpha):
            host.write("/etc/retinue/hooks/reconnect", '#!/bin/sh\necho "$*" >> /root/hook\n')
            host.run("chmod", "755", "/etc/retinue/hooks/reconnect")
        beta.start_agent("--accept", "alpha")
        gamma.start_agent("--accept", "alpha")
        alpha.start_agent("--accept", "beta")

        def tables(host):
            return host.ask("nft", "list", "tables").stdout

        def printed(*more):
            return alpha.ask(PRODUCTS / "retinue", "move", "reconnect", "/root/plan.json", "--to", f"beta={beta.address}", *more).stdout

        text = printed("--name", "counter")
        checks(f"ip daddr {alpha.address} tcp dport 9000 dnat ip to {beta.address}:9000" in text and "5432" not in text,
               "what is printed for nft(8) names the service alone")
        policy = printed("--as", "network-policy")
        checks(f'cidr: "{beta.address}/32"' in policy and "port: 9000" in policy, "a NetworkPolicy is printed")
        hosts = printed("--as", "hosts", "--alias", "db.example")
        checks(hosts.startswith(f"{beta.address} db.example"), "a line for hosts(5) is printed", hosts.strip())

        def move(here, there, *more):
            return here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--name", "counter", "--confirm",
                             Counter.check, "--yes", *more)

        done = move(alpha, beta, "--client", f"gamma={gamma.address}")
        checks(done.returncode == 0, "moved", done.stderr.strip()[-200:])
        for host in (gamma, alpha):
            found = until(lambda: answer(host, alpha.address), 5)
            checks(found and found[1] == "beta", f"a client at {host.name} that uses the old address is answered by the destination", found)
        checks("begin counter tcp" in (said := gamma.ask("cat", "/root/hook").stdout), "the hook was run", said.strip())
        checks(answer(beta, alpha.address) is None, "a client at a host that was not named is not")

        gamma.kill_agent()
        gamma.run("nft", "flush", "ruleset")
        gamma.start_agent()
        found = answer(gamma, alpha.address)
        checks(found and found[1] == "beta", "an agent that is started again loads the rules again", found)

        # On its way back a client's host is away.
        gamma.kill_agent()
        done = move(beta, alpha)
        checks(done.returncode == 0, "moved back", done.stderr.strip()[-200:])
        checks(until(lambda: (found := answer(alpha, alpha.address)) and found[1] == "alpha", 5), "a client at alpha is answered there")
        checks("retinue_reconnect" in tables(gamma), "a host of clients that does not answer has its rules still")
        gamma.start_agent()
        checks(until(lambda: (found := answer(gamma, alpha.address)) and found[1] == "alpha", 15),
               "it is restored as soon as it answers", gamma.agent_log()[-200:])
        checks(not any("retinue_" in tables(host) for host in (alpha, beta, gamma)), "no table is left")
        checks("end counter tcp" in (said := gamma.ask("cat", "/root/hook").stdout), "the hook was run again", said.strip())

        gamma.kill_agent()
        gamma.options = []
        gamma.start_agent()
        done = move(alpha, beta, "--client", f"gamma={gamma.address}")
        checks(done.returncode == 0 and "may not move programs" in alpha.agent_log(), "a host that does not accept the source is not changed, "
               "and the move goes on", done.stderr.strip()[-100:])
        checks("retinue_reconnect" not in tables(gamma), "no rule there")
