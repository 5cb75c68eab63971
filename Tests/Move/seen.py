"""What a client has seen: counts and the longest gap, asked for by lines on standard input.

`mark` prints what was seen since the last mark, as a line of JSON; any other word ends the work."""

import json
import select
import sys
import time


class Seen:
    def __init__(self, *names):
        self.last = time.monotonic()
        self.counts = {name: 0 for name in ("gap", *names)}

    def goes_on(self):
        """Whether nothing but marks was asked for."""
        if select.select([sys.stdin], [], [], 0)[0]:
            if sys.stdin.readline().strip() != "mark":
                return False
            self.note_gap(time.monotonic())
            print(json.dumps(self.counts), flush=True)
            self.counts = dict.fromkeys(self.counts, 0)
        return True

    def note_gap(self, now):
        self.counts["gap"] = max(self.counts["gap"], now - self.last)

    def answered(self, name):
        now = time.monotonic()
        self.counts[name] += 1
        self.note_gap(now)
        self.last = now

    def failed(self, error):
        self.counts["refused" if isinstance(error, ConnectionRefusedError) else
                    "timeout" if isinstance(error, TimeoutError) else "lost"] += 1
