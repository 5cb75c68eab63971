import os
import subprocess
import unittest
from pathlib import Path

import common  # noqa: F401 (the path)
import place


class Pinning(unittest.TestCase):
    def test_workload_and_watcher_are_apart(self):
        two = place.Processors({0, 1})
        self.assertEqual((two.workload(), two.watcher()), ({1}, {0}))
        self.assertEqual((two.workload(unpinned=True), two.watcher(unpinned=True)), ({0, 1}, {0, 1}))

    def test_one_processor_serves_both(self):
        one = place.Processors({3})
        self.assertEqual((one.workload(), one.watcher()), ({3}, {3}))

    def test_what_is_started_within_inherits_and_the_runner_gets_its_own_back(self):
        before = os.sched_getaffinity(0)
        with place.pinned({max(before)}):
            reported = subprocess.run(["nproc"], stdout=subprocess.PIPE, text=True).stdout
        self.assertEqual(reported.strip(), "1")
        self.assertEqual(os.sched_getaffinity(0), before)


@unittest.skipUnless(os.geteuid() == 0, "mounting needs root")
class PrivateFolder(unittest.TestCase):
    def test_it_is_ext4_of_its_own_and_gone_afterwards(self):
        with place.private_folder() as folder, place.private_folder() as other:
            (folder / "file").write_text("here")
            mounts = Path("/proc/self/mounts").read_text()
            self.assertRegex(mounts, f"/dev/loop\\d+ {folder} ext4")
            self.assertNotEqual(os.stat(folder).st_dev, os.stat(other).st_dev)
        self.assertFalse(folder.exists())
        self.assertNotIn(str(folder), Path("/proc/self/mounts").read_text())

    def test_it_goes_although_somebody_still_uses_it_and_whatever_happened(self):
        with self.assertRaises(KeyboardInterrupt):
            with place.private_folder() as folder:
                user = subprocess.Popen(["sleep", "100"], cwd=folder)
                self.addCleanup(user.wait)
                self.addCleanup(user.kill)
                raise KeyboardInterrupt
        self.assertFalse(folder.exists())
        self.assertNotIn(str(folder), Path("/proc/self/mounts").read_text())


if __name__ == "__main__":
    unittest.main()
