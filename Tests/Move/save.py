"""A process as a file that goes on where it is executed.

CRIU 4.2 or later is laid at the hosts from the tree that `RETINUE_CRIU` names (as for `live`)."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from live import criu_tree

FOLDER = "/srv/counted"
PROGRAM = FOLDER + "/counted"
NUMBERS = FOLDER + "/numbers"
FILE = FOLDER + "/context"


class Scene:
    """Hosts with CRIU, `retinue` in PATH and a program that counts."""

    def __init__(self, lab):
        self.lab, self.started = lab, []
        tree = criu_tree()
        run("gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-o", lab.folder / "counted", HERE / "counted.c")
        for host in lab.hosts:
            if tree != "/opt/criu":
                host.run("ln", "-s", tree, "/opt/criu")
            host.run("ln", "-s", PRODUCTS / "retinue", "/usr/local/bin/retinue")
            host.write(PROGRAM, (lab.folder / "counted").read_bytes())
            host.run("chmod", "755", PROGRAM)

    def start(self, host, *words, output=subprocess.DEVNULL, session=True):
        """A program as this one's child, so that how it ends is known; standard input and error are nothing of the laboratory's."""
        null = "exec \"$@\" < /dev/null 2> /dev/null" + ("" if output is not subprocess.DEVNULL else " > /dev/null")
        process = subprocess.Popen(host.words("sh", "-c", null, "sh", *words, group=False), stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.PIPE, env=PATH, start_new_session=session, cwd="/")
        self.started.append(process)
        return process

    def count(self, host, *words, **options):
        """The counting program; its pid, and the process that was started."""
        process = self.start(host, PROGRAM, *words, **options)
        pid = until(lambda: next(iter(pids(host)), None), 5, 0.005)
        if not pid:
            raise Failure("the program does not run")
        return pid, process

    def execute(self, host, file=FILE, output=subprocess.DEVNULL):
        """By the kernel alone: no shell is there when the file is executed."""
        # What has the laboratory's filesystems open is not what the process has.
        process = subprocess.Popen(host.words(file, group=False), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE,
                                   env=PATH, start_new_session=True, cwd="/")
        self.started.append(process)
        return process

    def save(self, host, pid, *words, file=FILE):
        return host.ask(PRODUCTS / "retinue", "move", "save", str(pid), "-o", file, *words, timeout=120)

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(ValueError):
                process.communicate()
        for host in self.lab.hosts:
            for pid in pids(host):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def pids(host):
    """Of the counting program at a host, as they are seen from here."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/exe") == PROGRAM and host.owns(entry) and state(entry) != "Z":
                    found.append(int(entry))
    return found


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def own_pid(pid):
    """What a process itself sees."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("NSpid:")).split()[-1])


def numbers(host, file=NUMBERS):
    return [int(line) for line in host.path(file).read_text().splitlines()]


def contiguous(found):
    return bool(found) and found == list(range(len(found)))


def left(host):
    """What a save or a restore has left behind."""
    return ([path.name for path in host.path(FOLDER).glob(".retinue-*")]
            + [path.name for path in host.path("/var/tmp").glob("retinue-context-*")])


def forget(host, file=FILE):
    for path in (file, NUMBERS):
        with contextlib.suppress(FileNotFoundError):
            host.path(path).unlink()


def said(done):
    return (done.stdout + done.stderr)[-700:]


def goes_on(host):
    begin = len(numbers(host))
    return until(lambda: len(numbers(host)) > begin, 5)


def save(checks):
    """Saved and executed: on the same host, on the other one, and from there again."""
    with Lab("alpha", "beta") as lab:
        scene = Scene(lab)
        try:
            same_host(checks, scene, lab.alpha)
            output(checks, scene, lab.alpha)
            tree(checks, scene, lab.alpha)
            two_of_it(checks, scene, lab.alpha)
            other_host(checks, scene, lab.alpha, lab.beta)
            refused(checks, scene, lab.alpha)
            rolled_back(checks, scene, lab.alpha)
            changed(checks, scene, lab.alpha, lab.beta)
        finally:
            scene.end()


def same_host(checks, scene, host):
    pid, process = scene.count(host, NUMBERS)
    time.sleep(0.3)
    done = scene.save(host, pid, "--json")
    checks(done.returncode == 0 and process.wait(10) == -signal.SIGKILL and not pids(host), "a process is saved, and ended", said(done))
    before = len(numbers(host))
    path = host.path(FILE)
    checks(path.stat().st_mode & 0o7777 == 0o700 and path.read_bytes().startswith(b"#!") and not left(host),
           "there is one file that its owner can execute, and nothing beside it", left(host))
    process = scene.execute(host)
    restored = until(lambda: pids(host), 10)
    time.sleep(0.3)
    after = numbers(host)
    if not checks(restored and contiguous(after) and len(after) > before + 5, "executed it goes on, with the number that comes next",
                  f"{before} before, {len(after)} after"):
        process.kill()
        raise Failure(process.communicate()[1].decode()[-1500:])
    checks(own_pid(restored[0]) == pid, "it has the pid that it had, in a namespace of its own", f"{own_pid(restored[0])}, {restored[0]}")
    checks(not left(host), "its images are laid nowhere any more", left(host))
    process.terminate()
    checks(process.wait(10) == 7 and not pids(host), "SIGTERM is passed on to it, and the exit status is its own", process.returncode)
    # The same file once more: it is not used up. The numbers have to be as they were.
    host.write(NUMBERS, "".join(f"{number}\n" for number in range(before)))
    process = scene.execute(host)
    restored = until(lambda: pids(host), 10)
    time.sleep(0.2)
    os.kill(restored[0], signal.SIGUSR1)
    checks(process.wait(10) == -signal.SIGUSR1 and contiguous(numbers(host)), "a signal that ends it ends what was executed", process.returncode)
    host.write(NUMBERS, "".join(f"{number}\n" for number in range(before)))
    process = scene.execute(host)
    until(lambda: pids(host) and not left(host), 10)
    process.kill()
    checks(until(lambda: not pids(host), 10), "it ends with what was executed, if that is killed", process.wait(10))
    forget(host)


def output(checks, scene, host):
    """Standard output is a pipe to whoever has started it; where it goes on, to whoever has executed the file."""
    pid, process = scene.count(host, "-", "2000", output=subprocess.PIPE)
    time.sleep(0.2)
    done = scene.save(host, pid)
    first = [int(line) for line in process.communicate(timeout=10)[0].split()]
    again = scene.execute(host, output=subprocess.PIPE)
    if not until(lambda: pids(host), 10):
        again.kill()
        raise Failure("not restored: " + said(done) + again.communicate()[1].decode()[-1000:])
    time.sleep(0.2)
    again.terminate()
    rest = [int(line) for line in again.communicate(timeout=10)[0].split()]
    checks(contiguous(first + rest) and len(rest) > 5 and again.returncode == 7, "what it writes to a pipe comes to who executes the file",
           f"{len(first)} and {len(rest)} numbers, {again.returncode}")
    forget(host)


def tree(checks, scene, host):
    """Three processes: a pipe between two of them stays theirs, one that leads outside is whoever executes the file's."""
    process = scene.start(host, "sh", "-c", f"{PROGRAM} - 5000 | cat; exit 5", output=subprocess.PIPE)
    until(lambda: pids(host), 5)
    time.sleep(0.2)
    done = scene.save(host, process.pid, "--json")
    first = [int(line) for line in process.communicate(timeout=10)[0].split()]
    checks(done.returncode == 0 and json.loads(done.stdout)["processes"] == 3 and not pids(host), "a process is saved with what it has started", said(done))
    again = scene.execute(host, output=subprocess.PIPE)
    restored = until(lambda: pids(host), 10)
    time.sleep(0.3)
    for pid in restored or []:
        os.kill(pid, signal.SIGTERM)
    rest, errors = again.communicate(timeout=20)
    rest = [int(line) for line in rest.split()]
    checks(contiguous(first + rest) and len(rest) > 5 and again.returncode == 5, "and all of it goes on, its pipe between two of them too",
           f"{len(first)} and {len(rest)} numbers, {again.returncode} {errors.decode()[-300:]}")
    forget(host)


def two_of_it(checks, scene, host):
    """A pid that is in use is no obstacle: the process is restored beside the very one that was saved."""
    pid, process = scene.count(host, "-", "2000", output=subprocess.PIPE)
    time.sleep(0.2)
    done = scene.save(host, pid, "--leave-running")
    again = scene.execute(host, output=subprocess.PIPE)
    both = until(lambda: len(pids(host)) == 2 and pids(host), 10)
    checks(done.returncode == 0 and both and [own_pid(one) for one in both] == [pid, pid],
           "with --leave-running it goes on, and its copy beside it under the same pid", both or said(done))
    time.sleep(0.2)
    again.terminate()
    process.send_signal(signal.SIGTERM)
    (rest, _), (all_of_it, _) = again.communicate(timeout=10), process.communicate(timeout=10)
    rest, all_of_it = [int(line) for line in rest.split()], [int(line) for line in all_of_it.split()]
    checks(contiguous(all_of_it) and process.returncode == 7, "the one that was saved has not missed a number", len(all_of_it))
    checks(rest and rest == list(range(rest[0], rest[-1] + 1)) and rest[0] in all_of_it, "nor has the copy", f"{len(rest)} from {rest[:1]}")
    forget(host)


def other_host(checks, scene, alpha, beta):
    pid, process = scene.count(alpha, NUMBERS)
    time.sleep(0.3)
    done = scene.save(alpha, pid)
    process.wait(10)
    before = len(numbers(alpha))
    # As scp(1) would bring them.
    for file in (FILE, NUMBERS):
        beta.write(file, alpha.path(file).read_bytes())
    beta.run("chmod", "700", FILE)
    process = scene.execute(beta)
    restored = until(lambda: pids(beta), 10)
    if not restored:
        process.kill()
        raise Failure("not restored at beta: " + said(done) + process.communicate()[1].decode()[-1000:])
    time.sleep(0.3)
    checks(contiguous(numbers(beta)) and len(numbers(beta)) > before + 5 and not pids(alpha), "executed on another host it goes on there",
           f"{before} before, {len(numbers(beta))} after")
    beta.path(FILE).unlink()
    done = scene.save(beta, restored[0])
    checks(done.returncode == 0 and process.wait(10) == -signal.SIGKILL and not pids(beta), "one that was restored is saved again", said(done))
    if done.returncode:
        return
    for file in (FILE, NUMBERS):
        alpha.write(file, beta.path(file).read_bytes())
    alpha.run("chmod", "700", FILE)
    process = scene.execute(alpha)
    restored = until(lambda: pids(alpha), 10)
    time.sleep(0.3)
    found = numbers(alpha)
    checks(restored and own_pid(restored[0]) == pid and contiguous(found) and len(found) > len(numbers(beta)) + 5,
           "and goes on where it was first, under the same pid", f"{len(numbers(beta))} before, {len(found)} after")
    process.terminate()
    checks(process.wait(10) == 7, "with the exit status that it has", process.returncode)
    forget(alpha)
    forget(beta)


def refused(checks, scene, host):
    """What cannot be saved goes on, and is named with its cure."""
    pid, process = scene.count(host, NUMBERS)

    def refuses(what, expected, *words, file=FILE, target=None):
        done = scene.save(host, target or pid, *words, file=file)
        checks(done.returncode == 1 and expected in done.stderr and goes_on(host) and not left(host), f"refused: {what}", done.stderr.strip()[-300:])

    host.write(FILE, "mine")
    refuses("a file that is there", "is there already")
    checks(host.path(FILE).read_text() == "mine", "which stays what it was")
    host.path(FILE).unlink()
    refuses("no such process", "there is no process", target=4194303)
    refuses("a thread of the kernel", "thread of the kernel", target=2)
    refuses("a folder that is not there", "No such file", file="/srv/nowhere/context")
    host.run("taskset", "-p", "-c", "0", str(pid))
    refuses("an affinity", "unless --lossy accepts it")
    done = scene.save(host, pid, "--lossy", "--leave-running")
    checks(done.returncode == 0 and "lost: " in done.stderr and "affinity" in done.stderr, "which --lossy accepts, and names", said(done))
    process.kill()
    process.wait()
    forget(host)
    # A connection.
    script = ("import socket, sys, time\n"
              "a = socket.create_server(('127.0.0.1', 7000)); b = socket.create_connection(('127.0.0.1', 7000)); c = a.accept()[0]\n"
              "while True:\n time.sleep(0.02); print(len(open('/proc/self/net/tcp').readlines()), flush=True)\n"
              " if sys.argv[1] == 'closes':\n"
              "  try: b.sendall(b'x')\n"
              "  except OSError as error: print(type(error).__name__, flush=True); time.sleep(100)\n")
    python = scene.start(host, os.path.realpath("/usr/bin/python3"), "-c", script, "closes", output=subprocess.PIPE)
    host.run("ip", "link", "set", "lo", "up")
    python.stdout.readline()
    done = scene.save(host, python.pid)
    checks(done.returncode == 1 and "--close-connections" in done.stderr and python.poll() is None and python.stdout.readline(),
           "refused: a TCP connection", done.stderr.strip()[-300:])
    done = scene.save(host, python.pid, "--close-connections")
    python.communicate(timeout=10)
    again = scene.execute(host, output=subprocess.PIPE)
    line = b"."
    while line and not line.strip().isalpha():
        line = again.stdout.readline()
    checks(done.returncode == 0 and line.strip() in (b"BrokenPipeError", b"ConnectionResetError", b"OSError"),
           "which --close-connections saves, and the process sees closed", f"{line.decode().strip()} {done.stderr[-300:]}")
    # One that is killed before it is done leaves its images for a while.
    until(lambda: not left(host), 10)
    again.kill()
    again.communicate()
    forget(host)


def rolled_back(checks, scene, host):
    """Whatever fails before the file is whole and in its place, the process goes on."""
    pid, process = scene.count(host, NUMBERS)
    host.run("mkdir", "/mnt/small")
    host.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/mnt/small")
    done = scene.save(host, pid, file="/mnt/small/context")
    checks(done.returncode == 1 and goes_on(host) and not list(host.path("/mnt/small").iterdir()), "no room for the file: it goes on, and nothing is left",
           done.stderr.strip()[-300:])
    host.run("umount", "/mnt/small")
    for part in ("reached", "written", "placed"):
        done = host.ask(PRODUCTS / "retinue-agent", "context-save", str(pid), FILE, f"--die-at={part}", timeout=60)
        lives = goes_on(host) and contiguous(numbers(host))
        file = host.path(FILE).exists()
        checks(done.returncode in (-9, 137) and lives and file == (part == "placed"), f"killed when it was {part}: the process goes on",
               f"{done.returncode}, file: {file}")
        for path in host.path(FOLDER).glob(".retinue-*"):
            run("rm", "-r", path)
        host.path(FILE).unlink(missing_ok=True)
    # criu itself, while the process is kept: stopped there by a saver that does not go on.
    saver = subprocess.Popen(host.words(PRODUCTS / "retinue-agent", "context-save", str(pid), FILE, "--stop-at=written", group=False),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=PATH, text=True)
    until(lambda: state(saver.pid) == "T", 20)
    begin = len(numbers(host))
    time.sleep(0.2)
    kept = len(numbers(host)) == begin
    criu = [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and is_criu(entry, pid)]
    for one in criu:
        os.kill(one, signal.SIGKILL)
    os.kill(saver.pid, signal.SIGCONT)
    errors = saver.communicate(timeout=30)[1]
    checks(kept and len(criu) == 1 and saver.returncode == 1 and goes_on(host) and contiguous(numbers(host)) and not host.path(FILE).exists(),
           "criu killed while it keeps the process: it goes on, and there is no file", f"{kept}, {criu}, {saver.returncode} {errors[-200:]}")
    saver = subprocess.Popen(host.words(PRODUCTS / "retinue-agent", "context-save", str(pid), FILE, "--stop-at=written", group=False),
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=PATH, text=True)
    until(lambda: state(saver.pid) == "T", 20)
    os.kill(saver.pid, signal.SIGINT)
    os.kill(saver.pid, signal.SIGCONT)
    errors = saver.communicate(timeout=30)[1]
    checks(saver.returncode == 1 and "interrupted" in errors and goes_on(host) and not host.path(FILE).exists() and not left(host),
           "interrupted (SIGINT): it goes on, and nothing is left", f"{errors.strip()} {left(host)}")
    process.kill()
    process.wait()
    forget(host)


def is_criu(entry, pid):
    with contextlib.suppress(OSError):
        words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
        return b"dump" in words and str(pid).encode() in words and any(word.endswith(b"/criu") for word in words)


def changed(checks, scene, alpha, beta):
    """Nothing is started of a file that is not what was saved, or where what it needs is not there."""
    pid, process = scene.count(alpha, NUMBERS)
    time.sleep(0.1)
    scene.save(alpha, pid)
    process.wait(10)
    whole = alpha.path(FILE).read_bytes()
    first = whole.index(b"\n") + 1

    def refuses(host, what, data, expected):
        host.write(FILE, data)
        host.run("chmod", "700", FILE)
        process = scene.execute(host)
        errors = process.communicate(timeout=30)[1].decode()
        checks(process.returncode == 1 and expected in errors and not pids(host) and not left(host), f"not started: {what}",
               f"{errors.strip()[-300:]} {pids(host)} {left(host)}")

    def flipped(place):
        return whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:]

    refuses(alpha, "a file that was cut", whole[:-1], "it is cut")
    refuses(alpha, "a file that was cut in its header", whole[:first + 100], "it is cut")
    refuses(alpha, "a file that was added to", whole + b"x", "bytes too many")
    refuses(alpha, "a bit of its header is another one", flipped(first + 60), "checksum")
    refuses(alpha, "a bit of its images is another one", flipped(len(whole) - 1000), "checksum")
    refuses(alpha, "a file of another version", flipped(first + 9), "version")
    refuses(alpha, "a file of another architecture", flipped(first + 11), "saved on")
    refuses(beta, "a file that the process has open is not there", whole, NUMBERS)
    beta.write(NUMBERS, alpha.path(NUMBERS).read_bytes() + b"more")
    refuses(beta, "a file that the process has open is larger there", whole, "when it was saved")
    beta.run("mv", PROGRAM, PROGRAM + ".aside")
    refuses(beta, "its program is not there", whole, PROGRAM)
    beta.run("rm", "/opt/criu")
    refuses(beta, "no CRIU", whole, "no criu here")
    process = scene.execute(alpha)
    alpha.write(FILE, whole)
    forget(alpha)


def save_times(checks):
    """How long it takes, beside a user-level library's 113 ms to save, fork + exec + 66 ms to restore, and 48 bytes of control."""
    rounds = 20
    with Lab("alpha") as lab:
        scene = Scene(lab)
        try:
            for name, size in (("the smallest program", 0), ("100 MB of written memory", 100_000_000)):
                measure(checks, scene, lab.alpha, name, size, rounds if not size else 5)
        finally:
            scene.end()


def measure(checks, scene, host, name, size, rounds):
    whole, dumps, writes, restores, total, control = [], [], [], [], 0, 0
    for _ in range(rounds):
        pid, process = scene.count(host, "-", "1000", str(size), output=subprocess.PIPE)
        process.stdout.readline()
        begin = time.monotonic()
        done = scene.save(host, pid, "--json")
        whole.append(time.monotonic() - begin)
        before = [int(line) for line in process.communicate(timeout=10)[0].split()]
        if done.returncode:
            raise Failure(said(done))
        answer = json.loads(done.stdout)
        dumps.append(answer["dump_ns"] / 1e9)
        writes.append(answer["write_ns"] / 1e9)
        total, control = answer["bytes"], answer["control_bytes"]
        begin = time.monotonic()
        again = scene.execute(host, output=subprocess.PIPE)
        first = int(again.stdout.readline())
        restores.append(time.monotonic() - begin)
        again.kill()
        again.communicate()
        if first != before[-1] + 1:
            raise Failure(f"{before[-1]}, then {first}")
        host.path(FILE).unlink()

    def text(values):
        values = sorted(values)
        return f"{values[len(values) // 2] * 1e3:.0f} ms ({values[0] * 1e3:.0f} to {values[-1] * 1e3:.0f})"

    checks(True, f"{name}, {rounds} times, each number once")
    checks.say(f"      save, from the command's start to its end: {text(whole)}; of it criu until the process is written down {text(dumps)}, "
               f"and the file on the disk {text(writes)}")
    checks.say(f"      executed, until the next number (nsenter, env, exec and all): {text(restores)}")
    checks.say(f"      {total} bytes, of which {control} are no images: a line, 48 bytes, and JSON")


def process(checks):
    """One process that nobody has planned moves to the other host; one asks for itself; the agent lists them."""
    with Lab("alpha", "beta") as lab:
        scene = Scene(lab)
        try:
            for host, other in ((lab.alpha, "beta"), (lab.beta, "alpha")):
                host.start_agent("--accept", other)
            one_process(checks, scene, lab.alpha, lab.beta)
            itself(checks, scene, lab.alpha, lab.beta)
        finally:
            scene.end()


def to(host):
    return f"--to={host.name}={host.address}"


def listed(host, *words):
    done = host.move("list", "--json", *words)
    if done.returncode:
        raise Failure(said(done))
    return {row["pid"]: row for row in json.loads(done.stdout)["processes"]}


def cell_numbers(host, name):
    return numbers(host, f"/var/lib/retinue-agent/cells/{name}/root{NUMBERS}")


def in_cell(host):
    """Of the counting program in a cell of a host."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if (os.readlink(f"/proc/{entry}/exe").endswith(PROGRAM) and "/cells/" in os.readlink(f"/proc/{entry}/root")
                        and os.readlink(f"/proc/{entry}/ns/net") == os.readlink(f"/proc/{host.pid}/ns/net") and state(entry) != "Z"):
                    found.append(int(entry))
    return found


def one_process(checks, scene, alpha, beta):
    for number in ("", "2"):
        scene.start(alpha, "setsid", PROGRAM, NUMBERS + number)
    both = until(lambda: len(pids(alpha)) == 2 and sorted(pids(alpha)), 5)
    pid = next(one for one in both if b"numbers2" not in pathlib.Path(f"/proc/{one}/cmdline").read_bytes())
    other = next(one for one in both if one != pid)
    rows = listed(alpha)
    checks(pid in rows and rows[pid]["movable"] and rows[pid]["arguments"] == [PROGRAM, NUMBERS] and other in rows, "the agent lists it, as movable",
           rows.get(pid))
    alpha.run("taskset", "-p", "-c", "0", str(other))
    row = listed(alpha)[other]
    checks(not row["movable"] and row["reasons"][0]["kind"] == "affinity", "and one that would lose something, with the reason", row["reasons"][0]["what"])
    done = alpha.move("pid", str(pid), to(beta), "--check")
    checks(done.returncode == 0 and goes_on(alpha), "check: nothing stands in the way", said(done) if done.returncode else "")
    done = alpha.move("pid", str(other), to(beta), "--yes")
    checks(done.returncode == 1 and "affinity" in done.stderr and other in pids(alpha), "one that would lose something is refused, and goes on",
           done.stderr.strip()[-200:])
    done = alpha.move("pid", str(pid), to(beta), "--yes")
    name = f"counted-{pid}"
    if not checks(done.returncode == 0 and pids(alpha) == [other], "it moves, and the other process of the same program stays", said(done)):
        checks.say(alpha.agent_log() + beta.agent_log())
        return
    first = cell_numbers(beta, name)
    grows = until(lambda: len(cell_numbers(beta, name)) > len(first) + 5, 10)
    found = cell_numbers(beta, name)
    checks(grows and contiguous(found) and found[:len(numbers(alpha))] == numbers(alpha), "it goes on there with the number that comes next",
           f"{len(numbers(alpha))} here, {len(found)} there")
    there = in_cell(beta)
    checks(len(there) == 1 and own_pid(there[0]) == pid, "under the pid that it had", there)
    beta.kill_agent()
    beta.start_agent()
    count = len(cell_numbers(beta, name))
    checks(until(lambda: len(cell_numbers(beta, name)) > count, 5), "and does so when the agent there is started anew")
    os.kill(other, signal.SIGKILL)
    for one in in_cell(beta):
        os.kill(one, signal.SIGKILL)


SELF = """
import json, socket, sys, time
numbers = open(sys.argv[1], "a")
number = 0
def count(times):
    global number
    for _ in range(times):
        numbers.write(f"{number}\\n"); numbers.flush(); number += 1; time.sleep(0.005)
count(20)
agent = socket.socket(socket.AF_UNIX)
agent.connect("/run/agent.sock")
agent.sendall(json.dumps(json.loads(sys.argv[2])).encode() + b"\\n")
answer = agent.makefile().readline()
agent.close()
open(sys.argv[1] + ".answer", "w").write(answer)
count(100000)
"""


def itself(checks, scene, alpha, beta):
    def ask(request):
        forget(alpha)
        process = scene.start(alpha, "setsid", os.path.realpath("/usr/bin/python3"), "-c", SELF, NUMBERS, json.dumps({"verb": "self", **request}))
        answer = until(lambda: alpha.path(NUMBERS + ".answer").exists() and alpha.path(NUMBERS + ".answer").read_text(), 20)
        alpha.path(NUMBERS + ".answer").unlink(missing_ok=True)
        return process, json.loads(answer or "{}")

    process, answer = ask({"save": FILE})
    saved = until(lambda: alpha.path(FILE).exists() and process.poll() is not None, 30)
    before = len(numbers(alpha))
    again = scene.execute(alpha)
    grows = until(lambda: len(numbers(alpha)) > before + 5, 10)
    checks(saved and answer.get("done") and grows and contiguous(numbers(alpha)), "a process has itself saved by the agent, and goes on when that is executed",
           f"{answer}, {before}, {len(numbers(alpha))}")
    again.kill()
    errors = again.communicate()[1].decode()
    if not grows:
        checks.say(alpha.agent_log() + errors)
    process, answer = ask({"order": {"host": "beta"}})
    checks("error" in answer and goes_on(alpha), "one that asks for what cannot be is told so, and goes on", answer)
    process.kill()
    process, answer = ask({"order": {"host": "beta", "at": "10.77.0.99", "port": 7420}})
    stays = until(lambda: "asked for itself, and stays" in alpha.agent_log(), 40)
    checks(stays and goes_on(alpha), "nor does it end where the other host does not answer", alpha.agent_log()[-200:])
    process.kill()
    process, answer = ask({"order": {"host": "beta", "at": beta.address, "port": 7420}})
    name = answer.get("answer", {}).get("name", "")
    moved = until(lambda: process.poll() is not None, 60)
    there = beta.path(f"/var/lib/retinue-agent/cells/{name}/root{NUMBERS}")
    count = len(numbers(alpha))
    grows = until(lambda: there.exists() and len(cell_numbers(beta, name)) > count + 5, 15)
    checks(moved and grows and contiguous(cell_numbers(beta, name)), "a process has itself moved, and goes on there", f"{answer}, {count}")
    if not (moved and grows):
        checks.say(alpha.agent_log() + beta.agent_log())
