"""PostgreSQL under pgbench's transactions, moved to and fro by a plan that was observed."""

import statistics
import time

from lab import Failure, Lab, until
from planning import install_recipes, observed_plan
from services import SERVICE_ADDRESS, LineClient

PORT = 5432
CLUSTER = "bank"
CHECK = f"/usr/lib/postgresql/15/bin/pg_isready -q -h 127.0.0.1 -p {PORT}"
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


class Bank:
    """A cluster as Debian's tools make it, with pgbench's tables."""

    def __init__(self, host, scale):
        self.host = host
        host.run("install", "-d", "-o", "postgres", "-g", "postgres", "-m", "2775", "/run/postgresql")
        host.run("pg_createcluster", "15", CLUSTER, "-p", PORT, "-o", "listen_addresses=*")
        with open(host.path(f"/etc/postgresql/15/{CLUSTER}/pg_hba.conf"), "a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
        host.spawn("pg_ctlcluster", "15", CLUSTER, "start", "--skip-systemctl-redirect")
        if not until(lambda: self.ask("select 1").returncode == 0, 30, 0.1):
            raise Failure(f"no PostgreSQL: {(host.folder / 'service.log').read_text(errors='replace')[-600:]}")
        self.ask("create database bank")
        # The loader pauses no one: all is there before anybody counts.
        host.run(*AS_POSTGRES, "pgbench", "-q", "-i", "-s", scale, "bank")
        self.ask("checkpoint")

    def ask(self, sentence, database="postgres"):
        return self.host.ask(*AS_POSTGRES, "psql", "-X", "-A", "-t", "-d", database, "-c", sentence)

    def work(self):
        self.host.run(*AS_POSTGRES, "pgbench", "-n", "-t", "20", "bank")

    def plan(self):
        return observed_plan(self.host, "postgres@%", self.work)

    def size(self):
        return int(self.ask("select sum(pg_database_size(oid)) from pg_database").stdout)


def shape(host, rate):
    """The link of a host to the switch carries so much and no more, both ways of a move in turn."""
    host.run("tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms")


def moved(checks, here, there, number, *options, patience=120):
    """One move of the bank; the source's status of it, or nothing where it failed."""
    done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--yes", "--name", "bank",
                     "--confirm", CHECK, "--address", f"{SERVICE_ADDRESS}/24", *options, patience=patience)
    last = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    if not checks(done.returncode == 0, f"move {number}, {here.name} to {there.name}", last):
        checks.say(done.stderr + here.agent_log() + there.agent_log())
        return None
    if "exit status" in done.stderr:
        checks(False, f"move {number}: the recipe's command succeeds", done.stderr[-600:])
    status = [move for move in here.status()["departures"] if move["name"] == "bank"][0]
    return {"held": status["pause_ns"] / 1e9, "sent": status["sent"], "said": done.stderr}


def postgresql(checks, quick=False, scale=None, times=None, link="1gbit", rate=None, most_seconds=600, options=(), agent=(), prepare=None):
    """Moves to and fro under load; every acknowledged row is there, and pgbench's sums are equal."""
    scale, times, rate = scale or (5 if quick else 100), times or (2 if quick else 10), rate or (150 if quick else 300)
    with Lab("alpha", "beta", size="3g" if quick else "14g") as lab:
        alpha, beta = lab.alpha, lab.beta
        bank = Bank(alpha, scale)
        plan = bank.plan()
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        beta.write("/root/plan.json", alpha.path("/root/plan.json").read_bytes())
        for host, other in ((alpha, "beta"), (beta, "alpha")):
            install_recipes(host)
            if prepare:
                prepare(host)
            host.start_agent("--accept", other, *agent)
            shape(host, link)
        isolation = options[1] if options else plan["hosts"][0]["isolation"]["choice"]
        checks.say(f"      scale {scale}: {bank.size() / 1e6:.0f} MB, {rate} transactions/s, a link of {link}; the plan is "
                   f"retinue plan's, the isolation {isolation}")
        customers = LineClient(lab, "postgresql_client.py", SERVICE_ADDRESS, PORT, rate, 4)
        try:
            time.sleep(1.5)
            customers.ask("mark")
            moves, here, there = [], alpha, beta
            for number in range(1, times + 1):
                move = moved(checks, here, there, number, *options, patience=most_seconds)
                if move is None:
                    break
                # Processes in a machine are not seen from outside: no recipe of theirs runs.
                runs = number == 1 or "machine" not in options
                checks(("postgresql.recipe: done" in move["said"]) == runs, f"move {number}: postgresql.recipe {'ran' if runs else 'was not run'}")
                time.sleep(2.5)
                move["seen"] = customers.ask("mark")
                checks(move["seen"]["acknowledged"] > 0, f"move {number}: it is worked with at {there.name}")
                seen = move["seen"]
                checks.say(f"      held {move['held']:.2f} s, the clients' pause {seen['gap']:.2f} s, {move['sent'] / 1e6:.1f} MB sent; "
                           f"connections lost {seen['lost']}, refused {seen['refused']}, timed out {seen['timeout']}, "
                           f"failed {seen['failed']}")
                moves.append(move)
                here, there = there, here
            # To and fro once more, with nothing changed meanwhile.
            customers.ask("rest")
            still = []
            while len(moves) == times and len(still) < 2:
                move = moved(checks, here, there, times + len(still) + 1, *options, patience=most_seconds)
                if move is None:
                    break
                still.append(move["sent"])
                here, there = there, here
            found = customers.ask("check")
        finally:
            customers.end()
        checks(not found["missing"], "every acknowledged row is there",
               f"{found['acknowledged']} acknowledged, {found['in_doubt']} in doubt, missing {found['missing']}")
        checks(found["unknown"] == 0 and found["twice"] == 0, "no row is there that nobody sent, and none twice",
               f"{found['rows']} rows")
        checks(len(set(found["sums"])) == 1, "the sums of accounts, tellers, branches and history are equal", found["sums"])
        if len(moves) == times:
            held, gaps = [move["held"] for move in moves], [move["seen"]["gap"] for move in moves]
            checks.say(f"      held {statistics.median(held):.2f} s ({min(held):.2f} to {max(held):.2f}), the clients' pause "
                       f"{statistics.median(gaps):.2f} s ({min(gaps):.2f} to {max(gaps):.2f})")
            first = moves[0]["sent"]
            checks.say("      sent, of what the first move sent: " + ", ".join(f"{move['sent'] / first * 100:.1f} %" for move in moves))
            checks(len(still) == 2 and still[1] <= first * 0.05,
                   "a move back of what nobody changed sends at most 5 % of what the first sent",
                   ", ".join(f"{sent / first * 100:.2f} %" for sent in still))


def postgresql_many(checks):
    """Fifty moves."""
    postgresql(checks, times=50)


def postgresql_slow(checks):
    """The same over 20 Mbit/s."""
    postgresql(checks, scale=10, times=2, link="20mbit", rate=30, most_seconds=1200)
