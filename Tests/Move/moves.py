"""Moves as they should be."""

import json
import os
import statistics
import subprocess
import time

from lab import PATH, PRODUCTS, Failure, Lab, run, until
from services import SERVICE_ADDRESS, Client, Counter, answer


def counter(checks, times=6):
    """A counter that moves to and fro under a client that never pauses."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha)
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        beta.write("/root/plan.json", alpha.path("/root/plan.json").read_bytes())
        client = Client(lab)
        pauses, sent = [], []
        here, there = alpha, beta
        for number in range(times):
            time.sleep(0.3)
            done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--yes", "--name", "counter",
                             "--confirm", Counter.check, "--address", f"{SERVICE_ADDRESS}/24")
            if not checks(done.returncode == 0, f"move {number + 1}, {here.name} to {there.name}",
                          done.stderr.strip().splitlines()[-1] if done.stderr else ""):
                checks.say(done.stderr + here.agent_log() + there.agent_log())
                break
            status = [move for move in here.status()["departures"] if move["name"] == "counter"][0]
            pauses.append(status["pause_ns"] / 1e9)
            sent.append(status["sent"])
            here, there = there, here
        time.sleep(0.3)
        seen = client.end()
        checks(seen["backwards"] == 0 and seen["last"] >= seen["numbers"], "no number is given twice, none goes backwards",
               f"{seen['numbers']} answers, the last is {seen['last']}")
        checks(sorted(seen["hosts"]) == ["alpha", "beta"], "the client was served at both hosts", seen["hosts"])
        checks(seen["refused"] == 0, "no connection was refused", seen["refused"])
        if pauses:
            checks.say(f"      held for {statistics.median(pauses):.2f} s ({min(pauses):.2f} to {max(pauses):.2f}); the client's longest "
                       f"gap {seen['gap']:.2f} s; reset {seen['reset']}, timed out {seen['timeout']}; sent "
                       f"{', '.join(map(str, sent))} bytes")


def certificates(checks):
    """Who may ask an agent for anything: hosts of the same authority, that it accepts, whose certificate is good."""
    with Lab("alpha", "beta", "gamma") as lab:
        alpha, beta, gamma = lab.alpha, lab.beta, lab.gamma
        Counter(alpha)
        agent = PRODUCTS / "retinue-agent"
        beta.start_agent("--accept", "alpha")

        def attempt(what, sentence):
            alpha.start_agent()
            done = alpha.move("check", "/root/plan.json", "--to", f"beta={beta.address}", "--name", "counter")
            checks(done.returncode == 1 and sentence in done.stderr, f"{what} is refused", done.stderr.strip()[-160:])
            alpha.kill_agent()

        def certify(name, authority, *options):
            folder = lab.folder / f"certificates-{time.monotonic_ns()}"
            run(agent, "certificate", name, "--authority", authority, "--into", folder, *options)
            alpha.run("rm", "-rf", "/run/retinue-certificates")
            run("cp", "-a", folder, alpha.path("/run/retinue-certificates"))

        alpha.start_agent()
        done = alpha.move("check", "/root/plan.json", "--to", f"beta={beta.address}", "--name", "counter")
        checks(done.returncode == 0, "a host that is accepted may ask", done.stderr[-160:])
        done = alpha.move("check", "/root/plan.json", "--to", f"gamma={beta.address}", "--name", "counter")
        checks(done.returncode == 1 and "is beta, not gamma" in done.stderr, "a destination with another name is refused",
               done.stderr.strip()[-160:])
        alpha.kill_agent()

        certify("gamma", lab.folder / "authority")
        attempt("a host that is not accepted", "may not move programs to this host")
        run(agent, "authority", lab.folder / "others")
        certify("alpha", lab.folder / "others")
        # It believes neither: its own authority is the other one.
        attempt("a certificate of another authority", "certificate")
        certify("alpha", lab.folder / "authority", "--days=-1")
        attempt("a certificate that has expired", "does not accept")
        alpha.run("chmod", "644", "/run/retinue-certificates/key.pem")
        done = subprocess.run(alpha.words(agent, "run", "--certificates", "/run/retinue-certificates", "--state-dir", "/var/lib/x",
                                          group=False), capture_output=True, text=True, env=PATH, timeout=20)
        checks(done.returncode == 1 and "may be read by others" in done.stderr, "a key that others may read is refused", done.stderr.strip())


def owners(checks):
    """Accounts that have other numbers at the destination."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha, user=4242)
        plan = json.loads(alpha.path("/root/plan.json").read_text())
        plan["hosts"][0]["accounts"] = [
            {"kind": "user", "name": "counts", "number": 4242, "destination": 5252, "group": 4242, "home": "/", "shell": "/bin/false"},
            {"kind": "group", "name": "counts", "number": 4242, "destination": 5353}]
        for host in (alpha, beta):
            host.write("/root/plan.json", json.dumps(plan))
        alpha.run("ip", "addr", "add", f"{SERVICE_ADDRESS}/24", "dev", "eth0")
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        for here, there in ((alpha, beta), (beta, alpha)):
            done = here.move("run", "/root/plan.json", "--to", f"{there.name}={there.address}", "--yes", "--name", "counter",
                             "--confirm", Counter.check, "--address", f"{SERVICE_ADDRESS}/24")
            if not checks(done.returncode == 0, f"it has moved to {there.name}", done.stderr.strip().splitlines()[-1]):
                return
            root = "/var/lib/retinue-agent/cells/counter/root"
            owner = there.path(f"{root}/srv/counter/data/count").stat()
            checks((owner.st_uid, owner.st_gid) == (5252, 5353), "its file has the owner that the plan says", owner[4:6])
            names = there.path(f"{root}/etc/passwd").read_text().splitlines()
            checks("counts:x:5252:5353:/:/bin/false" in [":".join(line.split(":")[:4] + line.split(":")[-2:]) for line in names], "its account has that number there", names[-1])
            checks(answer(there, SERVICE_ADDRESS)[1] == there.name, "it counts, in a file that is its own")


def hooks(checks):
    """The commands that a plan has before and after its copy."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha)
        plan = json.loads(alpha.path("/root/plan.json").read_text())
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")

        def run(before):
            plan["hosts"][0]["consistency"] = {"way": "hook", "before": before, "after": "echo after >> /root/said"}
            alpha.write("/root/plan.json", json.dumps(plan))
            return alpha.move("run", "/root/plan.json", "--to", f"beta={beta.address}", "--yes", "--name", "counter")

        done = run("echo no; false")
        checks(done.returncode == 1 and "before the copy, ends with 1: no" in done.stderr, "where the first fails the move does",
               done.stderr.strip()[-160:])
        checks(answer(alpha, alpha.address)[1] == "alpha", "and nothing was stopped")
        checks(alpha.path("/root/said").read_text() == "after\n", "the second is run all the same")
        done = run("echo before >> /srv/counter/data/said")
        checks(done.returncode == 0, "where it succeeds it has moved", done.stderr.strip().splitlines()[-1])
        said = beta.path("/var/lib/retinue-agent/cells/counter/root/srv/counter/data/said").read_text()
        checks(said and set(said.split()) == {"before"}, "what the first has written is there", said.split())


def plans(checks):
    """Plans that are none of this host, or not of this day, or nonsense: refused, and nothing is changed."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha)
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        good = alpha.path("/root/plan.json").read_text()

        def changed(edit):
            plan = json.loads(good)
            edit(plan["hosts"][0])
            return json.dumps(plan)

        def older(host):
            host["packages"][0]["version"] = "3.11.2-1"

        def gone(host):
            host["packages"].append({"system": "debian", "name": "no-such-package", "version": "1", "reason": "x"})

        for what, text, status, sentence in (
                ("of another host", changed(lambda host: host.update(host="gamma")), 1, "the plan is of gamma, and this is alpha"),
                ("with another version of a package", changed(older), 1, "the plan is older than this host: python3.11-minimal 3.11.2-1 is"),
                ("with a package that is gone", changed(gone), 1, "no-such-package 1 is not installed any more"),
                ("of programs that do not run", changed(lambda host: host["programs"][0].update(executable="/bin/none")), 1, "no program of the plan runs"),
                ("with a key that is none", changed(lambda host: host.update(colour="red")), 2, "no key `colour` is known here"),
                ("with a path that climbs", changed(lambda host: host["entries"][0].update(path="/srv/../etc")), 2, "entries[0].path"),
                ("that is half of one", good[:len(good) // 2], 2, "")):
            alpha.write("/root/bad.json", text)
            for step in ("check", "run"):
                words = ["--yes"] if step == "run" else []
                done = alpha.move(step, "/root/bad.json", "--to", f"beta={beta.address}", "--name", "counter", *words)
                checks(done.returncode == status and sentence in done.stdout + done.stderr, f"a plan {what} is refused ({step})",
                       (done.stdout + done.stderr).strip()[:160])
        checks((answer(alpha, alpha.address) or [0, ""])[1] == "alpha", "the counter counts as before")
        moves = alpha.status().get("departures", [])
        checks(all(line.startswith("precopy") is False for move in moves for line in move["journal"]), "and no step was begun", moves)
        checks(not list(beta.path("/var/lib/retinue-agent/cells").glob("*/root/srv")), "nothing was brought")


def resting(checks):
    """A pre-copy that rests, and goes on; one at a time is done, and held clients are not kept waiting."""
    with Lab("alpha", "beta") as lab:
        alpha, beta = lab.alpha, lab.beta
        Counter(alpha)
        alpha.write("/srv/counter/large", os.urandom(64 << 20))
        alpha.start_agent("--accept", "beta")
        beta.start_agent("--accept", "alpha")
        words = ["/root/plan.json", "--to", f"beta={beta.address}", "--name", "counter"]
        running = subprocess.Popen(alpha.words(PRODUCTS / "retinue", "move", "precopy", *words, "--throttle", str(4 << 20), "--agent",
                                               "/run/agent.sock", group=False), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=PATH)

        def sent():
            return ([move["sent"] for move in alpha.status().get("departures", []) if move["name"] == "counter"] or [0])[0]

        checks(until(lambda: sent() > 1 << 20, 30, 0.1), "it is under way", sent())
        done = alpha.move("pause", "counter")
        time.sleep(1)
        rest = sent()
        time.sleep(2)
        checks(done.returncode == 0 and sent() == rest and running.poll() is None, "it rests", (rest, sent()))
        checks("paused" in alpha.move("status").stdout, "the status says so")
        alpha.move("throttle", "counter", "0")
        alpha.move("resume", "counter")
        said = running.communicate(timeout=60)[0].decode()
        checks(running.returncode == 0 and sent() >= 64 << 20, "it goes on to its end", sent())
        checks("the last copy is expected to take no more than" in said, "and says what the pause will be like", said.splitlines()[-2:])
        # One that is asked for beforehand is none of the copy for which programs are stopped.
        alpha.move("pause", "counter")
        alpha.write("/srv/counter/more", os.urandom(1 << 20))
        done = alpha.move("rehearse", *words)
        checks(done.returncode == 0 and answer(alpha, alpha.address), "programs that were stopped for a copy do not rest with it",
               done.stderr.strip().splitlines()[-1:])
        alpha.move("resume", "counter")
        alpha.move("cutover", *words)
        done = alpha.move("pause", "counter")
        checks(done.returncode == 1 and "its clients would wait" in done.stderr, "not while clients are held", done.stderr.strip())
        alpha.move("rollback", *words)
