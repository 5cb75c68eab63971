"""The ways of learning what programs do that this benchmark compares. One file each."""

from watchers.auditd import Auditd
from watchers.baseline import Baseline
from watchers.bpftrace_count import BpftraceCount
from watchers.bpftrace_print import BpftracePrint
from watchers.fatrace import Fatrace
from watchers.forkstat import Forkstat
from watchers.perf import Perf
from watchers.preload import Preload
from watchers.retinue import Retinue
from watchers.strace import Strace

WATCHERS = [
    Baseline(),
    Retinue(),
    Fatrace(),
    Forkstat(),
    Perf(),
    BpftracePrint(),
    BpftraceCount(),
    Auditd(),
    Strace(),
    Preload(),
]
