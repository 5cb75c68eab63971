/// How lightly the members of a group on one host can be isolated at the destination.
///
/// Isolation is a host's affair, so a group over three hosts has three. What a program uses and no input
/// shows decides nothing here.
public struct IsolationAdvice: Sendable {
    /// A way to isolate, the lightest first.
    public enum Candidate: UInt8, Sendable, CaseIterable {
        /// A folder as the root directory.
        case chroot
        /// Namespaces of one kernel.
        case container
        /// A kernel of its own.
        case virtualMachine
    }

    /// Why a candidate does not isolate what the group does.
    public struct Objection: Sendable {
        /// What the group does.
        public var finding: HostUses.Finding
        /// A clause: `a chroot shares the network of its host`.
        public var reason: StaticString
    }

    /// A candidate with what speaks against it; nothing speaks against a virtual machine.
    public struct Verdict: Sendable {
        /// The candidate.
        public var candidate: Candidate
        /// What rules it out; empty if nothing does.
        public var objections: [Objection]
        /// What has to be given to it besides its files; each may be done with it.
        public var conditions: [Condition]
    }

    /// Something to be given to a candidate.
    public struct Condition: Sendable {
        /// What the group does.
        public var finding: HostUses.Finding
        /// A clause: `needs these devices passed through`.
        public var text: StaticString
    }

    /// The host.
    public var host: HostID
    /// What outputs call it.
    public var label: String
    /// What the members use.
    public var uses: HostUses
    /// All candidates, the lightest first.
    public var verdicts: [Verdict]
    /// The Linux namespaces (namespaces(7)), and which of them a container of this group needs.
    public var namespaces: [Namespace]
    /// What is shared with programs that do not move: whatever the isolation, this is cut.
    public var bonds: [HostUses.Finding]

    /// The lightest candidate that nothing speaks against; `nil` where the inputs do not say enough.
    public var advised: Candidate? {
        guard uses.entries.isEmpty else { return nil }
        return verdicts.first { $0.objections.isEmpty }?.candidate
    }

    /// The verdict on a candidate.
    public subscript(candidate: Candidate) -> Verdict { verdicts[Int(candidate.rawValue)] }

    init(_ host: HostID, _ label: String, _ uses: HostUses) {
        self.host = host
        self.label = label
        self.uses = uses
        verdicts = Candidate.allCases.map { candidate in
            Verdict(
                candidate: candidate,
                objections: uses.findings.compactMap { finding in
                    IsolationRules.objection(to: candidate, finding.use).map {
                        Objection(finding: finding, reason: $0)
                    }
                },
                conditions: uses.findings.compactMap { finding in
                    IsolationRules.condition(of: candidate, finding.use).map {
                        Condition(finding: finding, text: $0)
                    }
                })
        }
        namespaces = Namespace.all(for: uses)
        bonds = uses.findings.filter { $0.use.kind.isIPC && $0.use.reach == .outside }
    }
}

extension IsolationAdvice.Candidate {
    /// The words in outputs.
    public var word: StaticString {
        switch self {
        case .chroot: "chroot"
        case .container: "container"
        case .virtualMachine: "virtual machine"
        }
    }
}

extension MoveGroup {
    /// Advice on isolation for each host on which there are members, in the order of outputs.
    public func isolationAdvice() -> [IsolationAdvice] {
        let hosts = HostOrder(graph.hosts)
        let uses = UseCollector(self, NodeOrder(graph, hosts)).hosts
        return uses.keys.filter { $0 != .none }
            .sorted { hosts.ranks[Int($0.rawValue)] < hosts.ranks[Int($1.rawValue)] }
            .compactMap { host in
                uses[host].map { IsolationAdvice(host, hosts.labels[Int(host.rawValue)], $0) }
            }
    }
}

/// What each way to isolate keeps apart, as a table; docs/advice-format.md has it in words.
enum IsolationRules {
    /// Why a candidate does not isolate a use; `nil` if it does, or if there is nothing to isolate.
    static func objection(to candidate: IsolationAdvice.Candidate, _ use: Use) -> StaticString? {
        switch candidate {
        case .chroot: chroot(use)
        case .container: container(use.kind)
        case .virtualMachine: nil
        }
    }

    private static func chroot(_ use: Use) -> StaticString? {
        switch use.kind {
        case .listen, .connect, .accept: "a chroot shares its host's network"
        case .abstractUnix: "abstract sockets are the host's network, which a chroot shares"
        case .shm, .sem, .msg: "System V IPC has one set of keys for the host, whatever the root"
        case .mqueue: "POSIX message queues have one set of names for the host, whatever the root"
        case .posixShm:
            use.reach == .outside
                ? "a /dev/shm that others share is not kept apart by a chroot" : nil
        case .device, .hardware, .disk: "a device in a chroot is the host's own, with nothing between"
        case .module, .setting, .networkSetting, .ipcSetting, .userSetting, .hostName:
            "a chroot shares the kernel's settings"
        case .controlGroup: "a chroot shares its host's tree of control groups"
        // Files: what is not below the new root is not there.
        case .unix, .fifo, .pipe, .processes, .kernelView, .spawn: nil
        }
    }

    private static func container(_ kind: Use.Kind) -> StaticString? {
        switch kind {
        case .module: "modules belong to the kernel, which containers share"
        case .disk: "a disk as a whole is past every mount namespace"
        case .hardware: "this device is not one that containers are given by name"
        case .setting: "this setting is of the kernel as a whole: no namespace has its own"
        default: nil
        }
    }

    /// What a candidate that isolates a use has to be given.
    static func condition(of candidate: IsolationAdvice.Candidate, _ use: Use) -> StaticString? {
        switch (candidate, use.kind) {
        case (.chroot, .posixShm): use.reach == .outside ? nil : "needs a /dev/shm of its own"
        case (.chroot, .processes): "needs /proc, and sees the processes of the host there"
        case (.chroot, .kernelView): "needs /proc and /sys"
        case (.container, .device): "needs this device passed through"
        case (.container, .controlGroup): "needs a control group delegated to it"
        case (.container, .networkSetting), (.container, .ipcSetting), (.container, .userSetting):
            "needs this part of /proc/sys or /sys writable"
        case (.virtualMachine, .device), (.virtualMachine, .hardware), (.virtualMachine, .disk):
            "needs this device, or one that stands for it"
        default: nil
        }
    }
}

extension Use.Kind {
    /// Whether processes of one host talk to each other by it.
    var isIPC: Bool {
        switch self {
        case .unix, .abstractUnix, .fifo, .pipe, .shm, .sem, .msg, .posixShm, .mqueue: true
        default: false
        }
    }
}

/// A Linux namespace, and whether a container of a group needs one of its own.
public struct Namespace: Sendable {
    /// Which, as lsns(8) and unshare(1) name it.
    public enum Kind: String, Sendable, CaseIterable {
        case mount, network, ipc, pid, uts, user, cgroup
    }

    /// Whether it is needed.
    public enum Need: String, Sendable {
        /// Something that the group does is isolated by it.
        case needed
        /// Nothing that is known asks for it.
        case notSeen = "not-seen"
        /// The records cannot say.
        case unknown = "unknown"
    }

    /// Which.
    public var kind: Kind
    /// Whether it is needed.
    public var need: Need
    /// Why, as a clause.
    public var reason: StaticString
    /// What asks for it.
    public var finding: HostUses.Finding?

    static func all(for uses: HostUses) -> [Namespace] { Kind.allCases.map { make($0, uses) } }

    private static func make(_ kind: Kind, _ uses: HostUses) -> Namespace {
        let finding: HostUses.Finding?
        let (needed, otherwise): (StaticString, StaticString)
        switch kind {
        case .mount:
            return Namespace(kind: kind, need: .needed, reason: "its files are its own")
        case .user:
            return Namespace(
                kind: kind, need: .unknown, reason: "records have no users; keeps root from being the host's")
        case .network:
            finding = uses.findings(.listen, .connect, .accept, .abstractUnix, .networkSetting).first
            (needed, otherwise) = ("addresses, ports and abstract sockets", "no use of the network was seen")
        case .ipc:
            finding = uses.findings(.shm, .sem, .msg, .mqueue, .ipcSetting).first
            (needed, otherwise) = (
                "System V IPC and POSIX message queues", "no System V IPC or message queue was seen"
            )
        case .pid:
            finding = uses.findings(.spawn, .processes).first
            (needed, otherwise) = ("processes that it starts or looks at", "it starts no program")
        case .uts:
            finding = uses.findings(.hostName).first
            (needed, otherwise) = ("the name of the host", "uname is not watched; it keeps a host's name")
        case .cgroup:
            finding = uses.findings(.controlGroup).first
            (needed, otherwise) = ("its control groups", "no use of control groups was seen")
        }
        return Namespace(
            kind: kind, need: finding == nil ? .notSeen : .needed,
            reason: finding == nil ? otherwise : needed, finding: finding)
    }
}

extension DependencyGraph {
    /// What a node is called: the path of a program's script or executable, a file's path,
    /// `tcp:10.0.0.9:5432`, `unix:/run/app.sock`, `pipe:` for one without a name.
    public func name(of node: NodeID) -> [UInt8] { self[node].shownText }

    /// Paths of what moves of a host, each once, in bytewise order: its files, and what its programs are made
    /// of. Paths that name no place in the host's tree are left out.
    public func paths(of uses: HostUses) -> [[UInt8]] {
        var paths: Set<[UInt8]> = []
        for node in uses.files + uses.entries { paths.insert(withText(node) { Array($0) }) }
        for node in uses.programs {
            guard case .program(let name) = self[node] else { continue }
            paths.insert(name.executable)
            paths.insert(name.script)
        }
        return paths.filter { $0.first == UInt8(ascii: "/") && !$0.contains(0) && !KernelPath.isPseudo($0) }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }
}
