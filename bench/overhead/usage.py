"""What processes took: processor time and peak memory, read from /proc around each workload."""

import os
import time

TICK = 1 / os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """Fields of /proc/PID/stat from the third on. The name before them may hold spaces and parentheses."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def tree(pids):
    """These processes and all that descend from them."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(int(_stat(entry)[1]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, waiting = [], list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def own_seconds(pid, with_children=False):
    """User and system time of a process, its ended threads among it; 0 of one that is gone.

    The scheduler's nanoseconds of the live threads are finer than the ticks of `stat`, but lack ended threads:
    each is a lower bound, so the greater one is nearer.
    """
    try:
        fields = _stat(pid)
        ticks = (int(fields[11]) + int(fields[12])) * TICK
        nanoseconds = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat") as file:
                nanoseconds += int(file.read().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    ended = (int(fields[13]) + int(fields[14])) * TICK if with_children else 0
    return max(ticks, nanoseconds / 1e9) + ended


def seconds(pids):
    """Of these processes, their descendants, and those of their children that ended."""
    return sum(own_seconds(pid, with_children=True) for pid in tree(pids))


def own_peak(pid):
    """VmHWM in bytes; 0 of a kernel thread, of a zombie, of a process that is gone."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def peak(pids):
    return sum(own_peak(pid) for pid in tree(pids))


def settle(pids, limit, step=0.05):
    """Waits until these processes take less than 3 % of a processor, so that what they still do for one workload is
    counted for that one and does not disturb the next. Returns their processor time."""
    before = seconds(pids)
    if not pids:
        return before
    until = time.monotonic() + limit
    while time.monotonic() < until:
        time.sleep(step)
        now = seconds(pids)
        if now - before < step * 0.03:
            return now
        before = now
    return before
