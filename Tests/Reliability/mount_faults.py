"""Faults and changes of mounts and of the kernel's own file systems, each at one moment."""

import os
import subprocess
import time

from host import fault, image, mount, umount
from watching import program

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
