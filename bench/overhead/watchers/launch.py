"""Starts and ends the process of a watcher."""

import os
import signal
import subprocess
import time


class NotWatching(Exception):
    """A watcher that did not begin to watch, and why."""


def launch(command, folder, processors, variables=None, name="watcher"):
    """Runs `command` on these processors, what it says in NAME.out and NAME.err under `folder`."""

    def pin():
        if processors:
            os.sched_setaffinity(0, processors)

    with open(folder / f"{name}.out", "wb") as out, open(folder / f"{name}.err", "wb") as err:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(variables or {})},
            preexec_fn=pin,
            start_new_session=True,  # a Ctrl-C for the runner is not one for the watcher: stop() ends it
        )


def wait_until(true, process=None, seconds=20, step=0.02, what="no sign of life", said=None):
    """Waits until `true()`; a process that ends meanwhile, or the time's end, is NotWatching."""
    until = time.monotonic() + seconds
    while not true():
        if process is not None and process.poll() is not None:
            raise NotWatching(f"it ended with status {process.returncode}{_words(said)}")
        if time.monotonic() > until:
            raise NotWatching(f"{what} within {seconds} s{_words(said)}")
        time.sleep(step)


def end(process, first=signal.SIGTERM, seconds=60):
    """Ends a process by the signal that lets it write what it knows, and by SIGKILL if it does not end on it."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(first)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def text_of(path):
    """What a file holds by now; names that are not UTF-8 are kept as os.fsdecode keeps them."""
    try:
        return path.read_text(errors="surrogateescape")
    except FileNotFoundError:
        return ""


def size_of(folder):
    """Bytes of all files under a folder, as du --apparent-size counts them."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _words(path):
    """The last line that it said, which is mostly the reason."""
    lines = text_of(path).strip().splitlines() if path else []
    return f": {lines[-1].strip()}" if lines else ""
