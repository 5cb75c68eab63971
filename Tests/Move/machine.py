"""A virtual machine that is made of a plan."""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import time

from lab import HERE, PATH, PRODUCTS, Failure, Lab, run, until
from services import Counter, answer

GUESTS = HERE.parent / "Guests"


def kernel():
    """A stock kernel of Debian's, as the guests' tests have it, and an initramfs that does what a distribution's does."""
    done = subprocess.run([GUESTS / "make-kernel", "bookworm"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure("no kernel: Tests/Guests/make-kernel bookworm")
    return pathlib.Path(done.stdout.strip())


def initramfs(boot, folder, init=HERE / "machine-init"):
    """The kernel's, with another process 1: a later archive's files take the place of an earlier one's."""
    (folder / "initramfs").mkdir()
    shutil.copy(init, folder / "initramfs/init")
    script = f"cat {boot}/initrd; cd {folder}/initramfs && echo init | cpio -o -H newc --quiet --owner=+0:+0 | gzip -1"
    with open(folder / "initrd", "wb") as to:
        subprocess.run(["sh", "-c", script], stdout=to, check=True, env=PATH)
    return folder / "initrd"


class Machine:
    """A disk that is booted, its service's port at this machine's loopback; nothing else goes in or out."""

    def __init__(self, disk, boot, initrd, port, name="machine"):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.console = disk.parent / f"{name}.console"
        self.begin = time.monotonic()
        # In software: the device for hardware's help is often there and does not work.
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "512M", "-display",
             "none", "-no-reboot", "-monitor", "none", "-serial", f"file:{self.console}",
             "-drive", f"file={disk},if=virtio,format=raw,cache=writeback",
             "-nic", f"user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:{port}",
             "-kernel", str(boot / "vmlinuz"), "-initrd", str(initrd),
             "-append", "console=ttyS0 panic=-1 quiet loglevel=4 mitigations=off tsc=reliable root=/dev/vda rw init=/.retinue/init "
             f"retinue.address=10.0.2.15/24 retinue.name={name}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=PATH)

    def ask(self, timeout=3):
        with contextlib.suppress(OSError, ValueError), socket.create_connection(("127.0.0.1", self.port), timeout) as connection:
            connection.settimeout(timeout)
            connection.sendall(b"\n")
            words = connection.recv(200).split()
            if len(words) == 2:
                return int(words[0]), words[1].decode()
        return None

    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def end(self):
        self.process.kill()
        self.process.wait()


def disk_of(host, place, start):
    """`retinue plan export --disk`, at a host; seconds."""
    begin = time.monotonic()
    done = host.ask(PRODUCTS / "retinue", "plan", "export", "/root/plan.json", "--disk", "/var/tmp/disk", "--start", start)
    if done.returncode:
        raise Failure(f"no disk: {done.stderr[-400:]}")
    run("cp", "--sparse=always", host.path("/var/tmp/disk"), place)
    host.path("/var/tmp/disk").unlink()
    return time.monotonic() - begin


def machine(checks):
    """The counter as a virtual machine: it goes on counting there, on its own disk."""
    boot = kernel()
    with Lab("alpha") as lab:
        alpha = lab.alpha
        service = Counter(alpha)
        number = answer(alpha, alpha.address)[0]
        words = " ".join(service.words)
        disk = lab.folder / "disk"
        seconds = disk_of(alpha, disk, f"/.retinue/busybox timeout 40 {words}")
        used, size = disk.stat().st_blocks * 512, disk.stat().st_size
        checks(run("e2fsck", "-fn", disk) is not None, "the disk is a sound file system", f"{used} bytes used of {size}, made in {seconds:.1f} s")
        odd = run("debugfs", "-R", f"ls -p {service.folder}/names", disk)
        checks("with a blank" in odd, "names of any bytes are on it")
        guest = Machine(disk, boot, initramfs(boot, lab.folder), service.port)
        try:
            first = until(guest.ask, 120, 0.2)
            if not checks(bool(first), "the machine boots, and its program answers",
                          f"after {time.monotonic() - guest.begin:.1f} s in software"):
                checks.say(guest.said()[-2000:])
                return
            checks(first == (number + 1, "machine"), "it goes on where its files were left", first)
            checks(guest.ask() == (number + 2, "machine"), "and counts")
            ended = until(lambda: guest.process.poll() is not None, 90, 0.2)
            checks(bool(ended) and "it has ended, exit status" in guest.said(), "after the last process the machine goes off",
                   guest.said().strip().splitlines()[-1:] )
        finally:
            guest.end()
        count = run("debugfs", "-R", f"cat {service.folder}/data/count", disk)
        checks(int(count or 0) >= number + 2, "what it answered is on its disk", count)
        checks(answer(alpha, alpha.address) == (number + 1, "alpha"), "the service it was made of goes on by itself")
