extension KernelProbe {
    /// How the daemon would come to know one kind of thing here.
    public struct Mode: Equatable, Sendable {
        /// What is known.
        public var what: String
        /// By what.
        public var how: String
        /// The evidence that its records get, the best first; words of the record format.
        public var evidence: String
        /// What is not known, or known less well, than on a host that has everything; empty where nothing is.
        public var cost: String
    }

    /// Names of findings that decide about a mode.
    static let ringName = "tracepoint ring"
    static let movesName = "control group moves"
    static let lossName = "ring loss count"
    static let filterName = "process event filter"

    /// How each kind of thing is known, from what was found.
    public var modes: [Mode] {
        func has(_ name: String) -> Bool { findings.contains { $0.name == name && $0.isAvailable } }
        let hasRing = has(Self.ringName)
        let unwatched = findings.filter { $0.name.contains(" on /") && !$0.isAvailable }.count
        return [
            Mode(
                what: "programs and scripts", how: "exec events, and a look at each new image",
                evidence: "exact",
                cost: ""),
            Mode(
                what: "files", how: "fanotify by handle", evidence: "exact",
                cost: unwatched == 0
                    ? ""
                    : "\(unwatched) \(unwatched == 1 ? "filesystem is" : "filesystems are") not watched: only what "
                        + "scans find open there"),
            Mode(
                what: "TCP connections",
                how: hasRing ? "changes of state, as they happen" : "scans and destroy notices",
                evidence: hasRing ? "exact" : "snapshot, inferred",
                cost: hasRing
                    ? ""
                    : "one that ends before a scan meets it is inferred from who listens, or from like ones"),
            Mode(
                what: "lost connection events",
                how: has(Self.lossName) ? "the ring's own count" : "the next event",
                evidence: "counted",
                cost: hasRing && !has(Self.lossName) ? "a loss is known once the next event finds room" : ""),
            Mode(
                what: "workloads of processes that are moved",
                how: has(Self.movesName) ? "cgroup_attach_task" : "scans",
                evidence: has(Self.movesName) ? "exact" : "snapshot",
                cost: has(Self.movesName)
                    ? "" : "what is done between a move and the next scan is of the former one"),
            Mode(
                what: "UDP and Unix sockets, pipes, shared memory", how: "scans", evidence: "snapshot",
                cost: "what lives shorter than the time between two scans leaves no record"),
        ]
    }
}
