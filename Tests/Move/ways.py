"""PostgreSQL under load, moved once by each of three ways over the same link: by rsync as people do it by hand, as Incus moves
an instance, and by Retinue; over a slow link also with the whole of a small host, stopped. Each in a laboratory of its own, in
turns, so that what else the machine does falls on all."""

import json
import pathlib
import statistics
import subprocess
import time

from lab import Failure, Lab, until
from planning import install_recipes
from postgresql import AS_POSTGRES, CLUSTER, PORT, Bank, moved, shape
from services import SERVICE_ADDRESS, LineClient

FOLDERS = [f"/etc/postgresql/15/{CLUSTER}", f"/var/lib/postgresql/15/{CLUSTER}"]
BY_HAND = ["-aHAXS", "--numeric-ids", "--modify-window=-1", "--inplace", "--no-whole-file", "--delete"]
# Of its driver for folders: whole files over a network, times compared by whole seconds.
LIKE_INCUS = ["-aHAX", "--devices", "--numeric-ids", "--partial", "--sparse", "--delete"]


class Receiver:
    """rsync's daemon at the destination; what is started there is the host's own PostgreSQL."""

    def __init__(self, host):
        host.write("/root/rsyncd.conf", "uid = root\ngid = root\nuse chroot = no\nreverse lookup = no\npid file = /run/rsyncd.pid\n"
                                        "[root]\npath = /\nread only = no\n")
        host.spawn("rsync", "--daemon", "--no-detach", "--config=/root/rsyncd.conf", f"--address={host.address}")
        until(lambda: host.path("/run/rsyncd.pid").exists(), 5)
        for folder in FOLDERS:
            host.run("install", "-d", "-o", "postgres", "-g", "postgres", folder)
        host.run("install", "-d", "-o", "postgres", "-g", "postgres", "-m", "2775", "/run/postgresql")


def copy(lab, options, *more):
    for folder in FOLDERS:
        lab.alpha.ask("rsync", *options, *more, f"{folder}/", f"rsync://{lab.beta.address}/root{folder}/")


def hand_over(lab, options):
    """Stop, final copy, start, and the address."""
    stop(lab.alpha)
    arrive(lab, options)


def stop(host):
    host.run("pg_ctlcluster", "15", CLUSTER, "stop", "-m", "fast", "--skip-systemctl-redirect")


def arrive(lab, options):
    alpha, beta = lab.alpha, lab.beta
    copy(lab, options)
    beta.spawn("pg_ctlcluster", "15", CLUSTER, "start", "--skip-systemctl-redirect")
    until(lambda: beta.ask(*AS_POSTGRES, "psql", "-X", "-p", PORT, "-c", "select 1").returncode == 0, 60, 0.02)
    alpha.run("ip", "addr", "del", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
    beta.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
    # What a gratuitous ARP does.
    lab.command("ip", "neigh", "flush", "all")


def by_hand(lab, bank):
    Receiver(lab.beta)
    copy(lab, BY_HAND, "--exclude=postmaster.pid")
    hand_over(lab, BY_HAND)
    return None


def like_incus(lab, bank):
    Receiver(lab.beta)
    for _ in range(2):
        copy(lab, LIKE_INCUS)
    hand_over(lab, LIKE_INCUS)
    return None


def by_retinue(lab, bank, *options):
    class Failing:
        def __call__(self, holds, what, detail=""):
            return holds

        def say(self, line):
            print(line, flush=True)

    return moved(Failing(), lab.alpha, lab.beta, 1, *options, patience=600)


WAYS = {"rsync by hand": by_hand, "as Incus does": like_incus, "Retinue": by_retinue}
WHOLE = "whole host"
# Where the files of a small Debian with PostgreSQL lie, at the source and then at the destination.
IMAGE = "/root/host"


def lay_host(host):
    """The smallest Debian that has PostgreSQL."""
    tree = host.path(IMAGE)
    sources = pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", "--include=postgresql", "bookworm",
                    f"{host.folder}/host.tar", *(str(path) for path in sources if path.is_file())],
                   check=True, stdin=subprocess.DEVNULL)
    tree.mkdir()
    subprocess.run(["tar", "-C", tree, "--numeric-owner", "--exclude=./dev/*", "-xf", f"{host.folder}/host.tar"], check=True)


def by_image(lab, bank):
    """Stopped, then everything that the host has."""
    Receiver(lab.beta)
    alpha = lab.alpha
    lab.beta.run("install", "-d", IMAGE)
    stop(alpha)
    done = alpha.ask("rsync", *LIKE_INCUS, "--whole-file", f"{IMAGE}/", f"rsync://{lab.beta.address}/root{IMAGE}/")
    if done.returncode:
        raise Failure(f"rsync: {done.returncode}: {done.stderr[-300:]}")
    arrive(lab, LIKE_INCUS)
    return None


EVERY_WAY = {**WAYS, WHOLE: by_image}


def sent_by(host):
    return json.loads(host.run("ip", "-j", "-s", "link", "show", "eth0"))[0]["stats64"]["tx"]["bytes"]


def once(checks, name, scale, rate, link, *options):
    """One move by one way; what the clients saw, and what the source has sent. Of Retinue's, `options` are more of them."""
    with Lab("alpha", "beta", size="4g" if scale < 50 else "10g") as lab:
        alpha, beta = lab.alpha, lab.beta
        bank = Bank(alpha, scale)
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        for host, other in ((alpha, "beta"), (beta, "alpha")):
            shape(host, link)
            if name == "Retinue":
                install_recipes(host)
                host.start_agent("--accept", other)
        if name == "Retinue":
            plan = bank.plan()
            observed = len(plan["hosts"][0].get("first_used", []))
        if name == WHOLE:
            lay_host(alpha)
        customers = LineClient(lab, "postgresql_client.py", SERVICE_ADDRESS, PORT, rate, 4)
        try:
            time.sleep(1.5)
            customers.ask("mark")
            before, begin = sent_by(alpha), time.monotonic()
            move = EVERY_WAY[name](lab, bank, *options)
            took = time.monotonic() - begin
            sent = sent_by(alpha) - before
            time.sleep(1.5)
            seen = customers.ask("mark")
            found = customers.ask("check")
        finally:
            customers.end()
        checks(not found["missing"] and len(set(found["sums"])) == 1,
               f"{name}: every acknowledged row is there, the sums are equal",
               f"{found['acknowledged']} acknowledged, missing {found['missing'][:3]}, sums {found['sums']}")
        found = {"pause": seen["gap"], "took": took, "sent": sent / 1e6, "lost": seen["lost"], "refused": seen["refused"]}
        return {**move, **found, "observed": observed} if move else found


def ways(checks, quick=False):
    """Over 1 Gbit/s."""
    table(checks, WAYS, 5 if quick else 100, 1 if quick else 3, 150 if quick else 300, "1gbit")


def ways_slow(checks):
    """Over 20 Mbit/s, beside the whole of a small host."""
    table(checks, EVERY_WAY, 10, 1, 30, "20mbit")


def table(checks, names, scale, rounds, rate, link):
    """The clients' pause, how long it took, bytes, connections lost and refused; medians."""
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(once(checks, name, scale, rate, link))
    checks.say(f"      scale {scale}, {rate} transactions/s, a link of {link}; medians of {rounds}")
    checks.say(f"      {'':16}{'pause':>9}{'in all':>9}{'sent':>11}{'lost':>6}{'refused':>9}")
    for name, runs in found.items():
        middle = {key: statistics.median(run[key] for run in runs) for key in ("pause", "took", "sent", "lost", "refused")}
        checks.say(f"      {name:16}{middle['pause']:>7.2f} s{middle['took']:>7.1f} s{middle['sent']:>8.0f} MB{middle['lost']:>6.0f}"
                   f"{middle['refused']:>9.0f}")
