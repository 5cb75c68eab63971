"""A watcher that is tried before it is believed: it is started, something is done, and it has to have seen that."""

import shutil
import tempfile
from pathlib import Path

from contract import Watcher
from watchers import deeds
from watchers.launch import NotWatching


class Tried(Watcher):
    programs = ()  # those that have to be installed

    def begin(self, family, folder, processors):
        """What start() does; a failure on the way is cleaned up there."""
        raise NotImplementedError

    def start(self, family, folder, processors):
        try:
            self.begin(family, folder, processors)
        except BaseException:
            self.stop()
            raise

    def missing(self):
        for program in self.programs:
            if not shutil.which(program):
                return f"{program} is not installed"
        for family in self.families:
            reason = self.missing_for(family)
            if reason:
                return reason
        return None

    def missing_for(self, family):
        """Tries it for one family; the reason why it did not see what was done, or None."""
        with tempfile.TemporaryDirectory(prefix="retinue-bench-") as name:
            try:
                caused, report = observe(self, family, Path(name))
            except (NotWatching, OSError) as error:
                return f"{self.name} can't watch {family}: {error}"
        wanted = {fact.kind for fact in caused}
        if not wanted & {fact.kind for fact in report.facts}:
            return f"{self.name} watched {family} and reported none of what was done"
        return None


def observe(watcher, family, folder):
    """What a few deeds under this watcher caused, and what the watcher reported."""
    output, work = folder / "output", folder / "work"
    output.mkdir()
    work.mkdir()
    try:
        watcher.start(family, output, set())
        caused = deeds.run(family, work, watcher.wrap, watcher.environment())
    finally:
        watcher.stop()
    return caused, watcher.report()
