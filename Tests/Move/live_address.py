"""An address that stays at its host while one of two services on it moves alive."""

import json
import subprocess
import time

from lab import HERE, Lab, until
from live import Streamer, seen
from live_faults import live_faults
from services import PYTHON, SERVICE_ADDRESS

OTHER = "/srv/other/streamer.py"


def has_address(host):
    """Interfaces of a host that have the service's address."""
    found = json.loads(host.run("ip", "-j", "-4", "addr"))
    return sorted(one["ifname"] for one in found for address in one["addr_info"] if address["local"] == SERVICE_ADDRESS)


def tables(host):
    return sorted(line.split()[-1] for line in host.run("nft", "list", "tables").splitlines() if "retinue" in line)


def families(host):
    """Families of nftables that have one of them."""
    return sorted(line.split()[1] for line in host.run("nft", "list", "tables").splitlines() if "_kept_" in line or "_silent_" in line)


def handed_on(host):
    """Packets that a host has handed on, by its rule's counter; nothing where it has none."""
    done = host.ask("nft", "-j", "list", "table", "netdev", "retinue_kept_streamer")
    found = json.loads(done.stdout)["nftables"] if done.returncode == 0 else []
    return next((part["counter"]["packets"] for one in found for part in one.get("rule", {}).get("expr", []) if "counter" in part), None)


def answered_by(lab):
    """The hardware address that a client finds the service's address at, asked for anew, and all that answer."""
    lab.command("ip", "neigh", "flush", "dev", "switch")
    # Its exit status is of how many answers there are to a question.
    asked = lab.client("arping", "-b", "-c", 3, "-w", 3, "-I", "switch", SERVICE_ADDRESS, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, text=True)
    said = asked.communicate(timeout=20)[0]
    return sorted({word.strip("[]").lower() for line in said.splitlines() if "reply" in line for word in line.split() if word.count(":") == 5})


def live_address_faults(checks):
    """kill -9 of either agent at each line of such a move."""
    def meanwhile(made, name, line):
        if (name, line) == ("alpha", "stop:done"):
            checks(families(made.alpha) == ["netdev"], "what comes is handed on before it could be answered here", families(made.alpha))

    def left(made, place):
        wanted = (["lo"], ["netdev"], ["arp"]) if place == "beta" else ([], [], [])
        found = lambda: (has_address(made.beta), families(made.alpha), families(made.beta))
        checks(until(lambda: found() == wanted, 15, 0.2) and has_address(made.alpha) == ["eth0"],
               "the address is handed on where the service has gone, and there alone", found())

    live_faults(checks, options=("--address-stays",), dead=meanwhile, behind=left)


def live_address(checks):
    """To and fro, and a way that is rolled back, while another service on the address is asked."""
    with Lab("alpha", "beta") as lab:
        scene = Streamer(lab)
        scene.options = ("--address-stays",)
        alpha, beta = lab.alpha, lab.beta
        other = process = None
        try:
            alpha.write(OTHER, (HERE / "streamer.py").read_bytes())
            # Apart from the service's control group.
            process = subprocess.Popen(alpha.words(PYTHON, OTHER, 9001, group=False), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            until(lambda: ":9001 " in alpha.ask("ss", "-Hltn").stdout, 20)
            mac = json.loads(alpha.run("ip", "-j", "link", "show", "eth0"))[0]["address"]
            client, other = scene.client(), scene.client(9001)
            time.sleep(0.5)
            with open(alpha.path("/etc/hosts"), "a") as file:
                file.write(f"{beta.address} beta\n")
            way = [f"{beta.address}/32", "via", beta.address, "dev", "eth0"]
            for what, to, word in (("by its name alone", "beta", "IPv4 address"), ("behind another host", f"beta={beta.address}", "not in a network")):
                if "=" in to:
                    alpha.run("ip", "route", "add", *way)
                done = alpha.move("check", "/root/plan.json", "--to", to, "--name", "streamer", "--address", f"{SERVICE_ADDRESS}/24", "--live",
                                  *scene.options)
                checks(done.returncode != 0 and word in done.stdout + done.stderr, f"a destination {what} is refused",
                       (done.stdout + done.stderr)[-400:])
            alpha.run("ip", "route", "del", *way)
            if not scene.moved(checks, 1):
                return
            checks(has_address(alpha) == ["eth0"] and has_address(beta) == ["lo"], "the address stays, and is there for its programs alone",
                   (has_address(alpha), has_address(beta)))
            first = handed_on(alpha)
            checks(until(lambda: (handed_on(alpha) or 0) > (first or 0) + 20, 20), "packets of the connection are handed on", first)
            checks(answered_by(lab) == [mac], "one host alone answers who has the address", answered_by(lab))
            new = scene.client()
            time.sleep(0.5)
            state, numbers, *_ = seen(new)
            checks(state == "open" and numbers > 10, "a new client is served", f"{state}, {numbers} numbers")
            # The rule is the kernel's, and is there when the agent is again.
            alpha.kill_agent()
            alpha.start_agent()
            checks(handed_on(alpha) is not None, "the agent that is started again hands on")
            # It asks for its clients, whose answers it sends from that address.
            beta.run("ip", "neigh", "flush", "dev", "eth0")
            time.sleep(2)
            known = json.loads(lab.command("ip", "-j", "neigh", "show", SERVICE_ADDRESS))[0].get("lladdr")
            checks(known == mac, "a client that the destination asks for does not take it for the address's host", known)
            if not scene.moved(checks, 2):
                return
            checks(has_address(alpha) == ["eth0"] and has_address(beta) == [], "back again the destination does not have it",
                   (has_address(alpha), has_address(beta)))
            left = until(lambda: not tables(alpha) + tables(beta), 15, 0.2)
            checks(left, "and nothing is handed on", (tables(alpha), tables(beta)))
            done = scene.move("cutover")
            checks(done.returncode == 0, "a cut-over", done.stderr[-600:])
            done = scene.move("rollback")
            checks(done.returncode == 0 and scene.where() == {"alpha"}, "it is rolled back", done.stderr[-600:])
            left = until(lambda: not tables(alpha) + tables(beta), 15, 0.2)
            checks(left and has_address(alpha) == ["eth0"] and has_address(beta) == [], "nothing of it is left",
                   (tables(alpha), tables(beta), has_address(beta)))
            for what, one in (("the service that moves", client), ("the other one", other)):
                state, numbers, gap, wrong, errors = seen(one)
                checks(state == "open" and wrong == 0 and numbers > 100, f"{what}: each number once, in order, by one connection",
                       f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
        finally:
            scene.end()
            for one in filter(None, (other, process)):
                one.kill()
                one.wait()
