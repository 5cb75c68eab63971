"""What `retinue move check` reports of programs that have what cannot be moved alive: each kind, by a list made by hand."""

import json
import os
import re
import signal

from lab import HERE, Failure, Lab, until
from services import PYTHON, plan

FOLDER = "/srv/verdict"
# Kind of the program: what is expected of it, as (what it rules out, effect, place, kind of the reason, words of what it is or of its
# other end). Other reasons there are none.
NO_PORT = ("hand-over", "refused", "attribute", "no-port", "listens on no")
EXPECTED = {
    "none": [],
    "unix": [("live", "refused", "descriptor", "unix-socket", "outside.sock"), NO_PORT],
    "pipe": [("live", "lost", "descriptor", "pipe", "PEER"), NO_PORT],
    "uring": [("live", "refused", "descriptor", "io_uring", "io_uring"), NO_PORT],
    "userfaultfd": [("live", "refused", "descriptor", "userfaultfd", "userfaultfd"), NO_PORT],
    "secret": [("live", "refused", "descriptor", "secret-memory", "memfd_secret"), NO_PORT],
    "landlock": [("live", "refused", "descriptor", "landlock-ruleset", "landlock"), NO_PORT],
    "queue": [("live", "refused", "descriptor", "mqueue", "/retinue-verdict"), NO_PORT],
    "mptcp": [("live", "refused", "descriptor", "socket-protocol", "MPTCP"), NO_PORT],
    "vsock": [("live", "refused", "descriptor", "socket-protocol", "VSOCK"), NO_PORT],
    "device": [("live", "refused", "descriptor", "device", "/dev/net/tun, 10:200"), NO_PORT],
    "pidfd": [("live", "refused", "descriptor", "pidfd", "PEER"), NO_PORT],
    "deleted": [("live", "refused", "descriptor", "deleted-file", "2097152 bytes"), NO_PORT],
    "mapped": [("live", "refused", "memory", "deleted-file", "2097152 bytes"), NO_PORT],
    "shared": [("live", "lost", "memory", "shared-memory", "PEER"), NO_PORT],
    "file": [("live", "lost", "memory", "shared-memory", "PEER"),
             ("hand-over", "lost", "memory", "written-file", "outside.file"), NO_PORT],
    "connection": [("live", "lost", "descriptor", "local-connection", "PEER"), NO_PORT],
    "client": [("live", "lost", "descriptor", "connection", "10.77.0.1, which does not move"), NO_PORT],
    "terminal": [("live", "refused", "descriptor", "terminal", "PEER"), NO_PORT],
    "datagrams": [("live", "lost", "descriptor", "waiting-datagrams", "127.0.0.1:7003")],
    # CRIU loses these, and they are set again.
    "multicast": [NO_PORT], "option": [], "affinity": [NO_PORT], "priority": [NO_PORT], "slack": [NO_PORT],
    "personality": [("live", "lost", "attribute", "personality", "0x40000"), NO_PORT],
    "namespace": [("live", "refused", "attribute", "namespace", "a mnt namespace"),
                  ("live", "refused", "descriptor", "mount", "/dev/null"), NO_PORT],
    "session": [("live", "refused", "attribute", "session", "it leads no session of its own"), NO_PORT],
    "traced": [("live", "refused", "attribute", "traced", "PEER"), NO_PORT],
    "written": [("hand-over", "lost", "descriptor", "written-file", "written.txt")],
}
# Of those the liveliest way is another one than cold.
VERDICTS = {"none": "live", "written": "live", "datagrams": "hand-over", "multicast": "live", "option": "live", "affinity": "live", "priority": "live",
            "slack": "live"}


def verdict(checks):
    """Each obstacle by a program of its own, beside one that has none; the one that has the other ends is of no program of the plan."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        for kind in ["outside", *EXPECTED]:
            # By name they are programs of their own.
            alpha.write(f"{FOLDER}/{kind}.py", (HERE / "obstacles.py").read_bytes())
        pids = {}

        def start(kind, *words):
            # Nothing of this machine's mount namespace stays open.
            alpha.spawn("sh", "-c", f'exec {PYTHON} {FOLDER}/{kind}.py {kind} {FOLDER} "$@" </dev/null >/dev/null 2>&1', "sh", *words)
            ready = alpha.path(f"{FOLDER}/{kind}.ready")
            if not until(lambda: ready.exists() and ready.read_text(), 20):
                raise Failure(f"{kind} has not what it should have")
            pids[kind] = int(ready.read_text())

        beta.spawn(PYTHON, "-c", "import socket, time; s = socket.create_server(('', 7006)); time.sleep(1000)")
        if not until(lambda: ":7006" in beta.run("ss", "-ltn"), 10):
            raise Failure("nothing listens at beta")
        start("outside")
        for kind in EXPECTED:
            start(kind, pids["outside"], lab.beta.address)
        traced = until(lambda: alpha.path(f"{FOLDER}/outside.traced").exists(), 5)
        made = plan(alpha, {"executable": PYTHON, "script": f"{FOLDER}/none.py"}, entries=[FOLDER])
        first = made["hosts"][0]["programs"][0]
        made["hosts"][0]["programs"] = [{**first, "script": f"{FOLDER}/{kind}.py"} for kind in [*EXPECTED, "absent"]]
        alpha.write("/root/plan.json", json.dumps(made))
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        words = ["/root/plan.json", "--to", f"beta={beta.address}", "--name", "verdict"]
        # Of network namespaces: the only ones that differ between hosts of one kernel.
        for host, name, value in ((alpha, "somaxconn", 9000), (beta, "somaxconn", 128)):
            host.run("sysctl", "-q", "-w", f"net.core.{name}={value}")
        done = alpha.move("check", *words, "--json")
        notes = json.loads(done.stdout or "{}").get("notes", [])
        checks([note for note in notes if "net.core.somaxconn is 128 there, 9000 here" in note], "a limit that is lower there is named", notes)
        same = [int(re.search(r"(\d+) bytes of them are there", note)[1]) for note in notes if "bytes of them are there" in note]
        checks(same and same[0] > 1 << 20, "how much of the files is there by itself", same)
        answer = json.loads(done.stdout or "{}")
        checks(done.returncode == 0 and answer.get("problems") == [], "it can be moved", done.stderr[-200:])
        programs = {program["script"].rsplit("/", 1)[-1][:-3]: program for program in answer.get("programs", [])}
        checks(traced, "the one outside traces one")
        for kind, expected in EXPECTED.items():
            program = programs.get(kind, {"verdict": None, "reasons": [], "processes": 0})
            left = list(program["reasons"])
            missing = []
            for way, effect, place, word, words_of in expected:
                text = f"process {pids['outside']} ({PYTHON})" if words_of == "PEER" else words_of
                found = [reason for reason in left
                         if (reason["rules_out"], reason["effect"], reason["place"], reason["kind"]) == (way, effect, place, word)
                         and (text in (reason["peer"] or "") if words_of == "PEER" else text in reason["what"] + (reason["peer"] or ""))
                         and reason["cure"] and (reason["descriptor"] is not None) == (place == "descriptor")]
                if found:
                    left.remove(found[0])
                else:
                    missing.append((way, word))
            checks(not missing and not left, f"{kind}: the reasons are those expected, and no others", (missing, left) if missing or left else "")
            checks(program["verdict"] == VERDICTS.get(kind, "cold"), f"{kind}: the verdict is {VERDICTS.get(kind, 'cold')}", program["verdict"])
        unix = programs.get("unix", {}).get("reasons") or [{}]
        checks(f"process {pids['outside']} ({PYTHON}) at {FOLDER}/outside.sock" == unix[0].get("peer"), "a Unix peer has its process and path",
               unix[0].get("peer"))
        checks(programs.get("absent", {}).get("processes") == 0 and programs["absent"]["verdict"] == "cold", "what does not run is moved cold")
        checks(programs.get("none", {}).get("serves") == ["tcp 7001"], "where a program is called", programs.get("none", {}).get("serves"))
        # What a server would declare is no reason against a hand-over, a folder that has it neither, and a neighbour's name is.
        for data, left in ((f"{FOLDER}/written.txt", 0), (FOLDER, 0), (f"{FOLDER}/written", 1)):
            found = json.loads(alpha.move("check", *words, "--data", data, "--json").stdout or "{}").get("programs", [])
            reasons = [reason["kind"] for program in found if program["script"].endswith("/written.py") for reason in program["reasons"]]
            checks(found and len(reasons) == left, f"with --data {data.rsplit('/', 1)[-1]} declared: {left} reasons", reasons)
        done = alpha.move("check", *words, "--data", "written.txt")
        checks(done.returncode != 0 and "paths from the root" in done.stderr, "--data that is no path from the root is refused", done.stderr)
        text = alpha.move("check", *words).stdout
        checks(f"{FOLDER}/none.py: live" in text and f"not live: process {pids['uring']}, descriptor" in text, "the text has them as well",
               [line for line in text.splitlines() if "io_uring" in line])
        # They are as they were: nothing was closed, stopped or taken.
        lives = [kind for kind, pid in pids.items() if not os.path.exists(f"/proc/{pid}")]
        checks(not lives, "all of them still run", lives)
        # Processes that end while they are looked at.
        for kind in list(EXPECTED)[::2]:
            os.kill(pids[kind], signal.SIGKILL)
        done = alpha.move("check", *words, "--json")
        checks(json.loads(done.stdout or "{}").get("programs"), "and what has ended is no error", done.stderr[-200:])
