"""A reader of a site: `web_client.py URL FILE`; FILE is JSON, the SHA-256 of what is at each path below URL.

Asks by a new connection each time, and compares. Lines on standard input: `mark` prints what was seen since the last mark, `check`
reads every path once more and ends. All answers are lines of JSON."""

import hashlib
import itertools
import json
import ssl
import sys
import time
import urllib.error
import urllib.request

from seen import Seen

base, expected = sys.argv[1], json.load(open(sys.argv[2]))
# Its certificate is its own.
context = ssl._create_unverified_context()
seen = Seen("answers", "lost", "refused", "timeout", "wrong")


def read(path):
    with urllib.request.urlopen(base + path, timeout=20, context=context if base.startswith("https") else None) as answer:
        return hashlib.sha256(answer.read()).hexdigest()


for path in itertools.cycle(sorted(expected)):
    if not seen.goes_on():
        break
    try:
        if read(path) != expected[path]:
            seen.counts["wrong"] += 1
        seen.answered("answers")
    except OSError as error:
        seen.failed(getattr(error, "reason", error))
        time.sleep(0.002)
print(json.dumps({"same": sum(read(path) == expected[path] for path in expected), "of": len(expected)}), flush=True)
