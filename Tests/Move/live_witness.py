"""What processes have before and after they moved alive, by their own word: registers, descriptors, signals, ids, and calls that block."""

import subprocess
import time

from lab import Failure, Lab, until
from live import LiveHosts, build
from services import SERVICE_ADDRESS, plan

# What is asked for, in seconds; `seconds` of witness.c.
SLEEP = 60
# As long as these sleep before the cut-over: what begins anew would take so much longer.
BEFORE = 10
# Each call that waits until it is released, with what it returns then (result, value).
RELEASED = {"read": (5, 1), "epoll_wait": (1, 77), "poll": (1, 1), "select": (1, 1), "futex": (0, 0), "wait": (0, 7), "accept": (0, 1),
            "sigwaitinfo": (12, 1234), "semop": (0, 0)}
# Each that ends by itself, with its result and error, and whether the kernel keeps how much of it is left.
TIMED = {"nanosleep": (0, 0, True), "clock_nanosleep": (0, 0, True), "sleep": (0, 0, True), "until": (0, 0, True),
         "futex-until": (-1, 110, True), "nanosleep-null": (0, 0, False)}


class Witness(LiveHosts):
    """The processes at alpha, and one connection to them that goes on."""

    name = "witness"
    program = "/srv/witness/witness"
    port = 9000

    def __init__(self, lab):
        alpha = lab.alpha
        alpha.run("mkdir", "-p", "/srv/witness/below/here")
        build("witness.c", alpha.path(self.program), "-static")
        alpha.write("/srv/witness/text", "some text that is longer than the offsets are\n")
        alpha.run("chmod", "666", "/srv/witness/text")
        super().__init__(lab, f"exec {self.program} {self.port}",
                         plan(alpha, {"executable": self.program}, entries=["/srv/witness"], ports=[self.port]))
        script = ("import socket, sys\n"
                  "c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); c.settimeout(60); f = c.makefile('rw')\n"
                  "for line in sys.stdin:\n"
                  "    f.write(line); f.flush()\n"
                  "    while (part := f.readline()).strip(): sys.stdout.write(part)\n"
                  "    print('' if part else 'closed', flush=True)\n")
        self.client = lab.client("/usr/bin/python3", "-u", "-c", script, SERVICE_ADDRESS, self.port, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        self.client.stdin.write(word + "\n")
        self.client.stdin.flush()
        lines = []
        while line := self.client.stdout.readline().rstrip("\n"):
            lines.append(line)
        if lines == ["closed"]:
            raise Failure("the connection to the witness is closed")
        return lines

    def calls(self):
        """Of each call: done, result, error, seconds, value."""
        return {name: (int(done), int(result), int(error), int(took) / 1e9, int(value))
                for name, done, result, error, took, value in (line.split() for line in self.ask("calls"))}

    def end(self):
        self.client.kill()
        self.client.communicate()
        super().end()


def compare(checks, what, before, after):
    left = [line for line in before if line not in after]
    more = [line for line in after if line not in before]
    checks(before == after and len(before) > 100, f"{what}: ids, cwd, umask, signals, limits and descriptors are what they were",
           (left, more) if left or more else f"{len(before)} lines")


def live_witness(checks):
    """One move under calls that block, one connection throughout."""
    with Lab("alpha", "beta") as lab:
        made = Witness(lab)
        try:
            until(lambda: made.ask("registers")[0].split()[0] == "1" or None, 10)
            before = made.ask("state")
            first = made.ask("registers")[0].split()
            # Nothing but the cut-over is done while they sleep.
            done = made.move("precopy")
            checks(done.returncode == 0, "the files are brought", done.stderr[-600:] if done.returncode else "")
            made.ask("sleep")
            time.sleep(BEFORE)
            begin = time.monotonic()
            for verb in ("cutover", "verify", "commit"):
                done = made.move(verb)
                if not checks(done.returncode == 0, f"{verb} is done", done.stderr[-1500:] if done.returncode else ""):
                    checks.say(made.alpha.agent_log() + made.beta.agent_log())
                    return
            took = time.monotonic() - begin
            calls = made.calls()
            asleep = [name for name in TIMED if not calls[name][0]]
            checks(len(asleep) == len(TIMED), "those that sleep do so before it and after it", f"of {SLEEP} s {BEFORE} before, {took:.1f} meanwhile")
            compare(checks, "state", before, made.ask("state"))
            now = made.ask("registers")[0].split(maxsplit=3)
            later = until(lambda: (found := made.ask("registers")[0].split(maxsplit=3)) and int(found[1]) > int(now[1]) and found, 10)
            checks(later and int(now[1]) > int(first[1]) > 0, "a loop that was under way goes on", f"{first[1]}, {now[1]} rounds")
            made.ask("stop")
            # The last look is at the stack of the x87, behind the loop.
            time.sleep(0.2)
            last = made.ask("registers")[0].split(maxsplit=3)
            checks(last[0] == "1" and last[2] == "0", "its registers hold what they held, in each round", last[3])
            calls = made.calls()
            early = {name: call for name, call in calls.items() if call[0] and name in RELEASED}
            checks(not early and set(calls) == set(RELEASED) | set(TIMED), "no call that waits has returned", early or ", ".join(RELEASED))
            made.ask("release")
            calls = until(lambda: (found := made.calls()) and all(found[name][0] for name in RELEASED) and found, 10) or made.calls()
            for name, (result, value) in RELEASED.items():
                found = calls[name]
                checks(found[0] and found[1:3] == (result, 0) and found[4] == value, f"{name}: goes on, and returns what it is given", found)
            # All of them have ended by then, however they went on.
            calls = until(lambda: (found := made.calls()) and all(found[name][0] for name in TIMED) and found, 2 * SLEEP + took, 0.5) or made.calls()
            for name, (result, error, isKept) in TIMED.items():
                found = calls[name]
                checks(found[0] and found[1:3] == (result, error), f"{name}: ends as it would have", found)
                checks(found[3] >= SLEEP, f"{name}: not before its time", f"{found[3]:.2f} s of {SLEEP}")
                if isKept:
                    # By the time that it was stopped for, and not by what had passed before.
                    checks(found[3] < SLEEP + took + 2, f"{name}: with the time that was left", f"{found[3]:.2f} s of {SLEEP}, the move {took:.1f} s")
            drained = made.ask("drain")
            checks(drained == ["read text, then 57 at 9, 58 at 9, 301 at 11", "pipe has 6: unread", "pending 15 code 0 value 0",
                               "pending 10 code 0 value 0", "pending 37 code -1 value 41", "pending 37 code -1 value 42",
                               "pending 37 code -1 value 43", "pending 38 code -1 value -5", "lock 1 at 100 by another"]
                   or [line for line in drained if not line.startswith("pending 15")] == [],
                   "shared offsets, unread bytes, queued signals with their values, a lock", drained)
            checks(made.where() == {"beta"}, "all of its processes are at the destination", made.where())
        finally:
            made.end()
