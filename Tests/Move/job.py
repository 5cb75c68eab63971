"""A job that takes a processor's time, and what it has done is on the disk: job.py FOLDER SECONDS.

Ended and started again it goes on where it was. When it is done it writes the time into FOLDER/done, and sleeps."""

import os
import sys
import time

folder, seconds = sys.argv[1], float(sys.argv[2])
progress = os.path.join(folder, "progress")
done = float(open(progress).read() or 0) if os.path.exists(progress) else 0
saved = before = time.process_time()
while done < seconds:
    for _ in range(20000):
        pass
    now = time.process_time()
    done += now - before
    before = now
    if now - saved > 0.05 or done >= seconds:
        saved = now
        with open(progress + ".new", "w") as file:
            file.write(str(done))
        os.rename(progress + ".new", progress)
with open(os.path.join(folder, "done"), "w") as file:
    file.write(str(time.time()))
time.sleep(1000000)
