"""A reader of a site: `web_client.py URL FILE`; FILE is JSON, the SHA-256 of what is at each path below URL.

Asks by a new connection each time, and compares. Lines on standard input: `mark` prints what was seen since the last mark, `check`
reads every path once more and ends. All answers are lines of JSON."""

import hashlib
import itertools
import json
import select
import ssl
import sys
import time
import urllib.error
import urllib.request

base, expected = sys.argv[1], json.load(open(sys.argv[2]))
# Its certificate is its own.
context = ssl._create_unverified_context()
seen = {"answers": 0, "gap": 0.0, "lost": 0, "refused": 0, "timeout": 0, "wrong": 0}
last = time.monotonic()


def read(path):
    with urllib.request.urlopen(base + path, timeout=20, context=context if base.startswith("https") else None) as answer:
        return hashlib.sha256(answer.read()).hexdigest()


for path in itertools.cycle(sorted(expected)):
    if select.select([sys.stdin], [], [], 0)[0]:
        command = sys.stdin.readline().strip()
        if command != "mark":
            break
        seen["gap"] = max(seen["gap"], time.monotonic() - last)
        print(json.dumps(seen), flush=True)
        seen = dict.fromkeys(seen, 0)
    try:
        if read(path) != expected[path]:
            seen["wrong"] += 1
        now = time.monotonic()
        seen["answers"] += 1
        seen["gap"] = max(seen["gap"], now - last)
        last = now
    except OSError as error:
        reason = getattr(error, "reason", error)
        seen["refused" if isinstance(reason, ConnectionRefusedError) else
             "timeout" if isinstance(reason, TimeoutError) else "lost"] += 1
        time.sleep(0.002)
print(json.dumps({"same": sum(read(path) == expected[path] for path in expected), "of": len(expected)}), flush=True)
