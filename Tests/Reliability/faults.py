#!/usr/bin/env python3
"""One fault at one moment, each with a daemon of its own, in a mount namespace of its own.

    Tests/Reliability/faults.py [--list] [NAME...]

As root, after `make build`. Prints a line a point; exit status 1 if one failed. Without names all faults are run, and
what they said is kept in results/faults.txt."""

import argparse
import os
import subprocess
import time

from host import Host, image, mount, umount
from watching import Checks, Failure, private_mounts, program, until

FAULTS = {}


def fault(function):
    FAULTS[function.__name__.replace("_", "-")] = function
    return function


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
    server = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fuse_server.py")
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


# Other file systems.

@fault
def ramfs(host):
    mount("-t", "ramfs", "r", host.mount)
    (host.mount / "f").write_text("x")
    host.start()
    host.run(host.reader, host.mount / "f")
    host.hold(named=[host.mount], recorded=[(host.reader, host.mount / "f")], either=True)
    host.finish(unmount=[host.mount])


def btrfs(host):
    disk = image(host.folder / "disk", "btrfs", 120)
    top = host.folder / "top"
    top.mkdir()
    mount("-o", "loop", disk, top)
    for name in ("sub", "other"):
        subprocess.run(["btrfs", "-q", "subvolume", "create", top / name], check=True)
        (top / name / "f").write_text("x")
    return disk, top


def device(path):
    return subprocess.run(["findmnt", "-nvo", "SOURCE", path], capture_output=True, text=True).stdout.strip()


@fault
def btrfs_subvolume_alone(host):
    disk, top = btrfs(host)
    subprocess.run(["umount", top], check=True)
    host.start()
    mount("-o", "loop,subvol=sub", disk, host.mount)
    time.sleep(0.3)
    host.run(host.reader, host.mount / "f")
    host.hold(recorded=[(host.reader, host.mount / "f")])
    host.finish(unmount=[host.mount])


@fault
def btrfs_subvolume_after_its_top(host):
    _, top = btrfs(host)
    host.start()
    mount("-o", "subvol=sub", device(top), host.mount)
    time.sleep(0.3)
    host.run(host.reader, host.mount / "f")
    host.run(host.reader, top / "other/f")
    made = host.hold(recorded=[(host.reader, top / "other/f")])
    if made:
        either = made.has_file(host.reader, f"{host.mount}/f") or made.has_file(host.reader, f"{top}/sub/f")
        host.checks(either, f"{host.name}: a file opened by the subvolume's mount is recorded by one of its paths")
    answer, _ = host.daemon.status()
    host.checks(answer and "descriptor" not in answer["sources"]["fanotify"]["mode"], f"{host.name}: marked by handle",
                answer and answer["sources"]["fanotify"]["mode"])
    host.finish(unmount=[host.mount, top])


@fault
def btrfs_read_only_snapshot(host):
    _, top = btrfs(host)
    host.start()
    subprocess.run(["btrfs", "-q", "subvolume", "snapshot", "-r", top / "sub", top / "snapshot"], check=True)
    host.run(host.reader, top / "snapshot/f")
    host.run(host.reader, top / "sub/f")
    host.hold(recorded=[(host.reader, top / "snapshot/f"), (host.reader, top / "sub/f")])
    host.finish(unmount=[top])


@fault
def overlay(host):
    layers = [host.folder / name for name in ("lower", "upper", "work")]
    for layer in layers:
        layer.mkdir()
    for n in range(3):
        (layers[0] / f"f{n}").write_text("x")
    host.start()
    mount("-t", "overlay", "o", "-o", f"lowerdir={layers[0]},upperdir={layers[1]},workdir={layers[2]}", host.mount)
    time.sleep(0.3)
    host.run(host.reader, host.mount / "f0", host.mount / "new")
    made = host.hold()
    if made:
        kept = [any(made.has_file(host.reader, f"{place}/{name}") for place in (host.mount, *layers))
                for name in ("f0", "new")]
        host.checks(all(kept), f"{host.name}: what was opened is recorded", kept)
    answer, _ = host.daemon.status()
    host.checks(answer and answer["degraded"] == [], f"{host.name}: an overlay mount is not degraded",
                answer and answer["degraded"])
    host.finish(unmount=[host.mount])


@fault
def tmpfs_full(host):
    mount("-t", "tmpfs", "-o", "size=64k", "t", host.mount)
    host.start()
    with open(host.mount / "fill", "wb") as file:
        try:
            file.write(b"x" * (1 << 20))
        except OSError:
            pass
    host.run(host.reader, host.mount / "fill", host.mount / "out", expect=None)
    host.hold(recorded=[(host.reader, host.mount / "fill")])
    host.finish(unmount=[host.mount])


@fault
def loop_device_gone_under_ext4(host):
    """The disk's bytes go while programs use it: reads end in EIO."""
    disk = image(host.folder / "disk", "ext4", 32)
    mount("-o", "loop", disk, host.mount)
    for n in range(30):
        folder = host.mount / f"d{n}"
        folder.mkdir()
        (folder / "f").write_text("x")
    subprocess.run(["umount", host.mount], check=True)
    mount("-o", "loop", disk, host.mount)
    host.start()
    host.run(host.reader, host.mount / "d0/f")
    os.truncate(disk, 0)
    for n in range(30):
        host.run(host.reader, host.mount / f"d{n}/f", host.mount / f"d{n}/out", expect=None)
    host.hold(recorded=[(host.reader, host.mount / "d0/f")])
    host.finish(unmount=[host.mount])


@fault
def late_mounts(host):
    """Mounts that come when they are needed, as automount's do, used a twentieth of a second later."""
    host.start()
    facts = []
    for n in range(20):
        point = host.folder / f"late-{n}"
        point.mkdir()
        mount("-t", "tmpfs", "late", point)
        time.sleep(0.05)
        host.run(host.reader, host.elsewhere / "in-1" if host.worked else host.reader, point / "out")
        facts.append((host.reader, point / "out"))
    host.hold(recorded=facts)
    host.finish(unmount=[point.parent for _, point in facts])


@fault
def late_mounts_used_at_once(host):
    """A file that is opened in the moment of the mount is recorded, or a gap says that there may be more."""
    host.start()
    points, times = [], []
    for n in range(20):
        point = host.folder / f"late-{n}"
        point.mkdir()
        start = time.time_ns()
        mount("-t", "tmpfs", "late", point)
        (point / "out").write_text("x")
        times.append((point / "out", start, time.time_ns()))
        points.append(point)
    made = host.hold()
    if made:
        silent = [path for path, start, end in times if str(path) not in made.files() and not made.excuses(start, end, "file")]
        host.checks(not silent, f"{host.name}: recorded, or within a gap's span", f"{len(silent)} of 20 silently missing")
    host.finish(unmount=points)


@fault
def bind_mount(host):
    source = host.folder / "source"
    source.mkdir()
    (source / "f").write_text("x")
    host.start()
    mount("--bind", source, host.mount)
    host.run(host.reader, host.mount / "f")
    made = host.hold()
    if made:
        host.checks(made.has_file(host.reader, f"{host.mount}/f") or made.has_file(host.reader, f"{source}/f"),
                    f"{host.name}: what was opened is recorded by one of its paths")
    host.finish(unmount=[host.mount])


@fault
def mount_moved(host):
    mount("-t", "tmpfs", "t", host.mount)
    (host.mount / "d").mkdir()
    (host.mount / "d/f").write_text("x")
    moved = host.folder / "moved"
    moved.mkdir()
    host.start()
    host.run(host.reader, host.mount / "d/f")
    time.sleep(0.3)
    mount("--move", host.mount, moved)
    time.sleep(0.3)
    other = program("reader", host.folder / "bin", "after")
    host.run(other, moved / "d/f")
    made = host.hold(recorded=[(host.reader, host.mount / "d/f"), (other, moved / "d/f")])
    if made:
        host.checks(not made.has_file(other, f"{host.mount}/d/f"), f"{host.name}: not by the old path as well")
    host.finish(unmount=[moved])


@fault
def umount_after_an_open(host):
    """No umount is refused because of the daemon: mount, open, umount at once, forty times a file system."""
    disk = image(host.folder / "ext4", "ext4", 32)
    tree, top = btrfs(host)
    subprocess.run(["umount", top], check=True)
    layers = [host.folder / name for name in ("lower", "upper", "work")]
    for layer in layers:
        layer.mkdir()
    (layers[0] / "f").write_text("x")
    kinds = {
        "tmpfs": ("-t", "tmpfs", "t"), "ramfs": ("-t", "ramfs", "r"), "ext4": ("-o", "loop", disk),
        "btrfs": ("-o", "loop", tree), "btrfs subvolume": ("-o", "loop,subvol=sub", tree), "bind": ("--bind", layers[0]),
        "overlay": ("-t", "overlay", "o", "-o", f"lowerdir={layers[0]},upperdir={layers[1]},workdir={layers[2]}"),
    }
    host.start()
    for kind, words in kinds.items():
        refused = 0
        for _ in range(40):
            mount(*words, host.mount)
            host.run(host.reader, host.mount / "f", expect=None)
            with open(host.mount / "f", "a"):
                pass
            if umount(host.mount) is not None:
                refused += 1
                subprocess.run(["umount", "-l", host.mount])
        host.checks(refused == 0, f"{host.name}: {kind}: umount is never refused", f"{refused} of 40")
    refused = 0
    for n in range(10):
        fuse = host.serve()
        host.run(host.reader, fuse / "f1")
        if umount(fuse.path) is not None:
            refused += 1
            subprocess.run(["umount", "-l", fuse.path])
    host.checks(refused == 0, f"{host.name}: FUSE: umount is never refused", f"{refused} of 10")
    host.hold()
    host.finish()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name the faults")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if options.list:
        print("\n".join(FAULTS))
        return
    private_mounts()
    checks = Checks()
    for name in options.names or FAULTS:
        try:
            with Host(name, checks) as host:
                FAULTS[name](host)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            checks(False, f"{name}: came to its end", failure)
    checks.end(None if options.names else "faults")


if __name__ == "__main__":
    main()
