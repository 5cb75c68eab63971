import Glibc
import MovePlan
import SystemCalls
import Text

/// An empty root in which a plan is tried: filled, started, asked, and thrown away.
final class PlanTrial {
    /// What came of it.
    struct Answer {
        var isRunning = false
        /// For people.
        var sentence: String
        /// What was asked for and was not there.
        var lookups = FailedLookups([], root: [])

        static func failed(_ sentence: String) -> Answer { Answer(sentence: sentence) }
    }

    /// How what is being written was copied, and the longest time that its programs were frozen, seconds.
    private(set) var consistency: Consistency.Way?
    private(set) var frozen = 0.0
    private let source: String
    private let folder: TrialFolder
    private let root: TrialRoot
    private let signals: HeldSignals
    /// The root.
    var place: String { root.place }
    private var log: String { folder.path + "/calls" }

    /// - Parameters:
    ///   - source: where the host's files lie.
    ///   - named: an empty folder, which is kept; `nil` for one that goes with the trial.
    init(root source: String, folder named: String?) throws(Failure) {
        try TrialRoot.check(Self.tools + TrialRoot.tools)
        self.source = source
        signals = HeldSignals()
        folder = try TrialFolder(named: named, signals: signals)
        root = TrialRoot(of: source, in: folder)
    }

    /// What a trial is made with, and Debian's packages of that.
    private static let tools = [
        ("strace", "strace"), ("ip", "iproute2"), ("nsenter", "util-linux"), ("mount", "mount"),
        ("chroot", "coreutils"),
    ]

    /// Tries it once.
    func run(
        _ plan: HostPlan, _ command: PlannedCommand, check: String?, patience: Double,
        freeze: (Bool, limit: Int)
    ) throws -> Answer {
        let final = try FinalCopy(plan, root: source, isFrozen: freeze.0, limit: freeze.limit, in: folder)
        let isFirst = consistency == nil
        consistency = final.consistency.way
        let contents = TrialContents(plan, root: source)
        if isFirst, !final.isApart, !final.paths.isEmpty {
            Diagnostics.say(
                "what is being written is copied as it lies there, while its programs run (--freeze)")
        }
        try root.fill(contents, final: final.isApart ? final : nil)
        frozen = max(frozen, final.held)
        unlink(log)
        unlink(root.output)
        let words =
            TrialRoot.tied + ["--mount", "--ipc", "--uts", "--net", "sh", "-c", Self.enter, "sh"]
        let service = try ChildProcess(
            (words + [place, log]).map { Array($0.utf8) } + command.words(in: place), output: root.output,
            signals: signals)
        var answer = Answer.failed("it ended at once")
        let end = Clock.monotonic() + UInt64((check == nil ? min(patience, 5) : patience) * 1e9)
        while !service.isOver {
            if let check, try answers(check, service.pid) {
                answer = Answer(isRunning: true, sentence: "it runs, and the check succeeds")
                break
            }
            if Clock.monotonic() >= end {
                answer =
                    check == nil
                    ? Answer(isRunning: true, sentence: "it runs")
                    : .failed("it runs, but the check did not succeed within \(Int(patience)) s")
                break
            }
            try signals.wait(250_000_000)
        }
        service.end()
        if !answer.isRunning { answer.sentence += TrialFolder.lastWords(in: root.output) }
        answer.lookups = FailedLookups(InputFile.contents(of: log), root: Array(place.utf8))
        return answer
    }

    private func answers(_ check: String, _ pid: pid_t) throws -> Bool {
        // Before it has left this machine's network, the original would answer.
        guard let network = Self.network(pid), network != Self.network(getpid()) else { return false }
        return try ChildProcess.run(
            ["nsenter", "--net=/proc/\(pid)/ns/net", "sh", "-c", check], output: folder.path + "/check",
            signals: signals) == 0
    }

    /// The network namespace of a process.
    private static func network(_ pid: pid_t) -> ino_t? {
        var status = stat()
        return stat("/proc/\(pid)/ns/net", &status) == 0 ? status.st_ino : nil
    }

    /// Enters the namespaces: a network with loopback alone, /proc of its own processes, the devices that everybody has.
    private static let enter = """
        root=$1 log=$2
        shift 2
        # No language: what these programs ask for is none of the plan's.
        export LC_ALL=C
        ip link set lo up &&
        mount --bind "$root" "$root" && cd "$root" &&
        mount -t proc proc proc && mount -t tmpfs -o mode=755 dev dev && mkdir dev/shm dev/pts && chmod 1777 dev/shm &&
        for name in null zero full random urandom tty; do : > dev/$name && mount --bind /dev/$name dev/$name; done &&
        ln -s /proc/self/fd dev/fd && ln -s fd/0 dev/stdin && ln -s fd/1 dev/stdout && ln -s fd/2 dev/stderr &&
        exec strace -f -y -s 4096 -o "$log" -e trace=%file -e signal=none "$@"
        """
}
