"""Free ports on loopback, picked once and then remembered beside the workload's files."""

import random
import socket
from pathlib import Path

# Below the range from which the kernel gives ports to clients, so that none of them takes it meanwhile.
CHOICE = range(20_000, 32_000)


def is_free(number: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as candidate:
            try:
                candidate.bind(("127.0.0.1", number))
            except OSError:
                return False
    return True


def pick(place: Path):
    """Remembers a free port, if none is remembered yet."""
    remembered = place / "port"
    if not remembered.exists():
        remembered.write_text(str(next(number for number in random.sample(CHOICE, 1_000) if is_free(number))))


def picked(place: Path) -> int:
    return int((place / "port").read_text())
