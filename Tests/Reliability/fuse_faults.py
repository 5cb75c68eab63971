"""Faults of a FUSE server, each at one moment."""

import os
import subprocess
import time

from host import fault, mount
from watching import HERE, until

# A FUSE server that does not answer one kind of request, and a program that waits for it.

def hang(host, operation, *access):
    fuse = host.serve()
    host.start()
    host.run(host.reader, fuse / "f0")
    fuse.say(f"hang {operation}")
    host.hang(*access, fuse / "f7" if access[0] != "ls" else fuse.path)
    host.hold(named=[fuse.path])
    unrelated = host.folder / "unrelated"
    unrelated.mkdir()
    mount("-t", "tmpfs", "unrelated", unrelated)
    host.hold("after an unrelated mount", named=[fuse.path])
    host.finish()


@fault
def fuse_hangs_at_open(host):
    hang(host, "open", host.reader)


@fault
def fuse_hangs_at_read(host):
    hang(host, "read", host.reader)


@fault
def fuse_hangs_at_getattr(host):
    hang(host, "getattr lookup", "stat")


@fault
def fuse_hangs_at_readdir(host):
    hang(host, "readdir", "ls")


@fault
def fuse_hangs_at_statfs(host):
    hang(host, "statfs", "stat", "-f")


@fault
def fuse_hangs_under_an_executed_program(host):
    """The scan meets a process whose executable, folder and descriptors lie on the mount."""
    fuse = host.serve()
    host.start()
    script = "import os,sys,time\nos.chdir(sys.argv[1])\nkept=open('f1')\ntime.sleep(600)"
    host.hang("python3", "-c", script, fuse.path)
    crowd = subprocess.Popen([fuse / "program", fuse / "f3"])
    crowd.wait()
    fuse.say("hang open read getattr lookup readdir statfs")
    host.hold(named=[fuse.path])
    host.finish()


# A FUSE server that dies or answers with an error.

@fault
def fuse_dies_under_readers(host):
    fuse = host.serve()
    host.start()
    loop = "import sys,itertools\nfor n in itertools.count():\n    open(f'{sys.argv[1]}/f{n % 50}').read()"
    readers = [host.hang("python3", "-c", loop, fuse.path) for _ in range(2)]
    fuse.die()
    until(lambda: all(one.poll() is not None for one in readers), 5)
    host.hold(named=[fuse.path])
    host.finish(unmount=[fuse.path])


def answers_error(host, operation, number, path="f9"):
    fuse = host.serve()
    host.start()
    fuse.say(f"error {operation} {number}")
    for n in range(20):
        host.run(host.reader, fuse / path, expect=None)
    host.hold(named=[fuse.path])
    fuse.say("ok")
    host.finish(unmount=[fuse.path])


@fault
def fuse_open_answers_EIO(host):
    answers_error(host, "open", 5)


@fault
def fuse_read_answers_ESTALE(host):
    answers_error(host, "read", 116)


@fault
def fuse_lookup_answers_EACCES(host):
    answers_error(host, "lookup", 13)


@fault
def fuse_sees_no_second_open(host):
    """Watching must not make the server open a file more often than the programs do."""
    fuse = host.serve()
    host.start()
    for n in range(20):
        host.run(host.reader, fuse / f"f{n}")
    host.hold(named=[fuse.path])
    opens = int(fuse.say("count"))
    host.checks(opens == 20, f"{host.name}: the server sees the programs' opens alone", f"{opens} for 20")
    host.finish(unmount=[fuse.path])


# A FUSE server that is stopped at a moment of the daemon's life.

def started_with(host, break_it):
    fuse = host.serve()
    host.start()
    usual = host.before["start"]
    host.daemon.terminate()
    break_it(fuse)
    took = host.daemon.start(20)
    host.checks(took < usual + 1, f"{host.name}: the start is not delayed", f"{took:.2f} s, {usual:.2f} s before")
    host.hold(named=[fuse.path])
    host.finish()


@fault
def fuse_stopped_before_the_start(host):
    started_with(host, lambda fuse: fuse.stop())


@fault
def fuse_dead_before_the_start(host):
    started_with(host, lambda fuse: fuse.die())


@fault
def fuse_stopped_at_a_mount_change(host):
    fuse = host.serve()
    host.start()
    fuse.stop()
    for n in range(5):
        (host.folder / f"t{n}").mkdir()
        mount("-t", "tmpfs", "t", host.folder / f"t{n}")
    host.hold(named=[fuse.path])
    host.run(host.worker, host.elsewhere / "in-1", host.folder / "t3/out")
    time.sleep(0.3)
    made = host.daemon.dump(10)
    host.checks(made.has_file(host.worker, f"{host.folder}/t3/out"), f"{host.name}: the new mounts are watched")
    host.finish(unmount=[host.folder / f"t{n}" for n in range(5)])


@fault
def fuse_stopped_during_a_dump(host):
    fuse = host.serve()
    host.start()
    kept = host.hang("python3", "-c", "import sys,time\nkept=[open(f'{sys.argv[1]}/f{n}') for n in range(50)]\ntime.sleep(600)",
                     fuse.path)
    host.checks(kept.poll() is None, f"{host.name}: a program holds files on the mount")
    before = host.daemon.latest()
    host.daemon.signal(10)
    fuse.stop()
    start = time.monotonic()
    host.checks(until(lambda: host.daemon.latest() != before, host.before["dump"] + 1), f"{host.name}: that dump comes",
                f"{time.monotonic() - start:.2f} s")
    host.hold(named=[fuse.path])
    host.finish()


@fault
def fuse_stopped_at_SIGTERM(host):
    fuse = host.serve()
    host.start()
    host.hang("python3", "-c", "import sys,time\nkept=open(f'{sys.argv[1]}/f1')\ntime.sleep(600)", fuse.path)
    fuse.stop()
    host.hang(host.reader, fuse / "f2")
    host.finish()


@fault
def fuse_mounted_while_stopped(host):
    """A mount whose server never answered at all: INIT is still open."""
    host.start()
    fuse = host.serve(host.folder / "late")
    fuse.stop()
    host.hold(named=[fuse.path])
    host.finish()


@fault
def fuse_in_a_namespace_of_its_own(host):
    """A container's FUSE mount, which the daemon's own namespace does not have."""
    host.start()
    inner = host.folder / "inner"
    inner.mkdir()
    server = HERE / "fuse_server.py"
    script = f"python3 {server} {inner} < /dev/zero > /dev/null & sleep 1; kill -STOP $!; exec cat {inner}/f1"
    container = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                 start_new_session=True, stderr=subprocess.DEVNULL)
    time.sleep(2)
    host.hold()
    host.finish()
    os.killpg(container.pid, 9)


@fault
def fuse_goes_and_comes_back(host):
    """Set aside while it is silent, tried again when it answers."""
    fuse = host.serve()
    host.start()
    fuse.stop()
    host.hold("silent", named=[fuse.path])
    fuse.go_on()
    host.run(host.reader, fuse / "f1")
    time.sleep(2)
    host.hold("back")
    host.checks(host.daemon.blocked_threads() == 0, f"{host.name}: no call is outstanding any more")
    host.finish(unmount=[fuse.path])
