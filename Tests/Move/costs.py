"""What each form of isolation costs: bytes and time of one program, beside what the papers have."""

import pathlib
import re
import time

import machine_move
from lab import Lab, until
from machine import Machine, disk_of, initramfs, kernel
from services import Counter

FORMS = (("chroot", []), ("container", []), ("container", ["--own-network"]), ("runc", []), ("nspawn", []), ("machine", []))


def costs(checks):
    """Bytes and time of one program by each form, beside what the papers have."""
    rows = []
    for kind, more in FORMS:
        form = " ".join([kind, *more])
        with Lab("alpha", "beta") as lab:
            alpha, beta = lab.alpha, lab.beta
            Counter(alpha)
            machines = machine_move.OPTIONS if kind == "machine" else []
            if machines:
                version = machine_move.install_kernel(beta)
            alpha.start_agent()
            beta.start_agent("--accept", "alpha", *machines)
            begin = time.monotonic()
            done = alpha.move("run", "/root/plan.json", "--to", f"beta={beta.address}", "--yes", "--name", "counter", "--isolation", kind,
                              *more, "--confirm", Counter.check, "--within", "60", patience=300)
            seconds = time.monotonic() - begin
            if not checks(done.returncode == 0, form, done.stderr.strip().splitlines()[-1]):
                continue
            cell = "/var/lib/retinue-agent/cells/counter"
            used = int(beta.run("du", "-s", "-B1", f"{cell}/root").split()[0])
            if machines:
                used += beta.path(f"{cell}/machine/initramfs").stat().st_size
                used += pathlib.Path(f"{beta.run('readlink', f'/boot/vmlinuz-{version}').strip()}").stat().st_size
            phases = dict(re.findall(r"(\w+) after ([0-9.]+) s", done.stderr))
            start = float(phases.get("started", 0)) - float(phases.get("copied", 0))
            rows.append((form, used, start, machine_move.pause_of(alpha)[0], seconds))
    boot = kernel()
    with Lab("alpha") as lab:
        service = Counter(lab.alpha)
        disk = lab.folder / "disk"
        seconds = disk_of(lab.alpha, disk, " ".join(service.words))
        initrd = initramfs(boot, lab.folder)
        used = disk.stat().st_blocks * 512 + (boot / "vmlinuz").stat().st_size + initrd.stat().st_size
        guest = Machine(disk, boot, initrd, service.port)
        try:
            if checks(bool(until(guest.ask, 120, 0.1)), "machine by its disk"):
                start = time.monotonic() - guest.begin
                rows.append(("machine by its disk", used, start, None, seconds + start))
        finally:
            guest.end()
    base = rows[0][1] if rows else 0
    checks.say("| form | MB at the destination | beside the lightest | start, s | clients held, s | all, s |")
    checks.say("| --- | --- | --- | --- | --- | --- |")
    for form, used, start, pause, all_ in rows:
        held = f"{pause:.2f}" if pause is not None else "not moved"
        checks.say(f"| {form} | {used / 1e6:.1f} | + {(used - base) / 1e6:.1f} | {start:.2f} | {held} | {all_:.1f} |")
