"""A rehearsal of a live move: a copy of the processes goes on at the destination without a way out, and the source goes on."""

import time

from lab import Lab
from live import Streamer, seen

# Ends with 0 where the copy has the client's connection, which only a process that was restored has, and no way to it.
CHECK = "ss -Htn state established sport = :9000 | grep -q . && ip route show default | grep -q 'dev lo'"


def starts(scene):
    """(pid, ticks of the start) of what lives at the source."""
    return [(pid, open(f"/proc/{pid}/stat").read().rsplit(") ", 1)[1].split()[19]) for host, pid in scene.found() if host is scene.alpha]


def left(host):
    """What a rehearsal must not leave behind."""
    return host.ask("sh", "-c", "nft list tables | grep retinue-live; ip -o addr show dev lo | grep -v -e 127.0.0.1 -e ::1; "
                    "find /var/lib/retinue-agent -name '*.img'").stdout


def live_rehearse(checks):
    with Lab("alpha", "beta") as lab:
        scene = Streamer(lab)
        try:
            client = scene.client()
            time.sleep(0.5)
            before = starts(scene)
            done = scene.move("rehearse", "--confirm", CHECK)
            checks(done.returncode == 0, "a rehearsal is done, and the copy has its client's connection",
                   done.stderr[-1500:] if done.returncode else "")
            checks.say(done.stdout[-1500:])
            if done.returncode:
                checks.say(scene.alpha.agent_log() + scene.beta.agent_log())
            checks(starts(scene) == before and scene.where() == {"alpha"}, "the process at the source is the one that was there, alone",
                   (before, starts(scene), scene.where()))
            for host in (scene.alpha, scene.beta):
                checks(not left(host), f"nothing is left of it at {host.name}", left(host))
            done = scene.move("rehearse", "--confirm", "false")
            checks(done.returncode != 0 and "the check does not succeed" in done.stderr, "one whose check fails says so", done.stderr[-300:])
            checks(starts(scene) == before, "and the source goes on", starts(scene))
            done = scene.move("rehearse", "--memory", "fetched")
            checks(done.returncode != 0 and "leave --memory fetched out" in done.stderr, "memory that is fetched is refused",
                   done.stderr[-300:])
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 100, "its client has each number once, in order, by one connection",
                   f"{state}, {numbers} numbers, {wrong} wrong, longest gap {gap:.2f} s {errors}")
            # What it was for.
            client = scene.client()
            time.sleep(0.3)
            scene.moved(checks, 1)
            state, numbers, gap, wrong, errors = seen(client)
            checks(state == "open" and wrong == 0 and numbers > 0, "a move after it keeps the connection",
                   f"{state}, {numbers} numbers, {wrong} wrong {errors}")
        finally:
            scene.end()
