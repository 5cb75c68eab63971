import Records

/// What the members of a group on one host use of it.
public struct HostUses: Sendable {
    /// One way to use the host, with how often it was met.
    public struct Finding: Sendable {
        /// What is used.
        public var use: Use
        /// The objects, each once, in the order of outputs: addresses, channels, files, programs.
        public var objects: [NodeID]
        /// The first of its occurrences in the order of outputs.
        public var example: Example
    }

    /// Who uses what, to show what is meant.
    public struct Example: Hashable, Sendable {
        /// The member.
        public var program: NodeID
        /// What it uses.
        public var object: NodeID
        /// The program at the other end or, of a connection taken, the address, where one is known.
        public var peer: NodeID?
    }

    /// Member programs.
    public var programs: [NodeID] = []
    /// Member programs beyond which nothing was followed: what they use is not counted here.
    public var stops = 0
    /// Files that are members; devices and the kernel's views, which cannot be copied, are not among them.
    public var files: [NodeID] = []
    /// Files among them that a member writes.
    public var writtenFiles = 0
    /// Members of a list that does not distinguish programs from files, nor how they belong together.
    public var entries: [NodeID] = []
    /// Control groups of the member programs, in bytewise order; those without one are not among them.
    public var workloads: [[UInt8]] = []
    /// The ways, in the order of `Use`.
    public var findings: [Finding] = []

    /// Nothing yet.
    init() {}

    /// The findings of some kinds.
    func findings(_ kinds: Use.Kind...) -> [Finding] { findings.filter { kinds.contains($0.use.kind) } }
}

/// A way to use a system that decides how lightly a program can be isolated, with how far it reaches.
public struct Use: Hashable, Comparable, Sendable {
    /// What is used.
    public var kind: Kind
    /// Who is at the other end.
    public var reach: Reach

    /// Makes a use.
    public init(_ kind: Kind, _ reach: Reach = .own) {
        self.kind = kind
        self.reach = reach
    }

    /// In the order of outputs.
    public static func < (left: Use, right: Use) -> Bool {
        (left.kind.rawValue, left.reach.rawValue) < (right.kind.rawValue, right.reach.rawValue)
    }

    /// What is used, in the order of outputs.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// An address on which a member waits.
        case listen
        /// A connection that a member makes.
        case connect
        /// A connection that a member takes.
        case accept
        /// A Unix socket at a path, or a pair of them.
        case unix
        /// A Unix socket with an abstract name (unix(7)), which belongs to the network namespace.
        case abstractUnix
        /// A named pipe.
        case fifo
        /// A pipe.
        case pipe
        /// System V shared memory.
        case shm
        /// A System V semaphore set.
        case sem
        /// A System V message queue.
        case msg
        /// POSIX shared memory or a named semaphore: a file in /dev/shm.
        case posixShm
        /// A POSIX message queue.
        case mqueue
        /// A device that containers are commonly given by name: /dev/kvm, /dev/dri, /dev/nvidia0.
        case device
        /// Any other device that is hardware or the kernel itself: /dev/mem, /dev/ttyS0.
        case hardware
        /// A disk as a whole, past its filesystems.
        case disk
        /// A module of the kernel that is loaded or removed.
        case module
        /// A setting of the kernel that all of the host shares, written.
        case setting
        /// A setting of the network (/proc/sys/net, /sys/class/net), written: each network namespace has
        /// its own.
        case networkSetting
        /// The host's name, written: each UTS namespace has its own.
        case hostName
        /// Limits of System V IPC or POSIX message queues, written: each IPC namespace has its own.
        case ipcSetting
        /// Limits of user namespaces, written.
        case userSetting
        /// The tree of control groups, in /sys/fs/cgroup.
        case controlGroup
        /// Processes looked at in /proc.
        case processes
        /// What the kernel reports in /proc/sys and /sys, read.
        case kernelView
        /// A program started.
        case spawn
    }

    /// Who is at the other end, in the order of outputs.
    public enum Reach: UInt8, Sendable, CaseIterable {
        /// Nobody else takes part.
        case own
        /// Members on the same host alone; for the network: over loopback.
        case inside
        /// Members, reached by an address of a host.
        case group
        /// Who shares it is not known.
        case unknown
        /// Programs or hosts that are not in the group, or anybody.
        case outside
    }
}

extension Use.Kind {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .listen: "listen"
        case .connect: "connect"
        case .accept: "accept"
        case .unix: "unix"
        case .abstractUnix: "abstract-unix"
        case .fifo: "fifo"
        case .pipe: "pipe"
        case .shm: "shm"
        case .sem: "sem"
        case .msg: "msg"
        case .posixShm: "posix-shm"
        case .mqueue: "mqueue"
        case .device: "device"
        case .hardware: "hardware"
        case .disk: "disk"
        case .module: "module"
        case .setting: "setting"
        case .networkSetting: "network-setting"
        case .hostName: "host-name"
        case .ipcSetting: "ipc-setting"
        case .userSetting: "user-setting"
        case .controlGroup: "control-group"
        case .processes: "processes"
        case .kernelView: "kernel-view"
        case .spawn: "spawn"
        }
    }

    /// Whether each object of this kind has a program at its other end.
    var isShared: Bool { rawValue <= Self.mqueue.rawValue }

    init(_ mechanism: Mechanism, name: [UInt8]) {
        switch mechanism {
        // The daemon writes the NUL of an abstract name as ss(8) does.
        case .unix: self = name.first == UInt8(ascii: "@") || name.first == 0 ? .abstractUnix : .unix
        case .fifo: self = .fifo
        case .pipe: self = .pipe
        case .shm: self = .shm
        case .sem: self = .sem
        case .msg: self = .msg
        case .posixShm: self = .posixShm
        case .mqueue: self = .mqueue
        }
    }
}

extension Use.Reach {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .own: "own"
        case .inside: "inside"
        case .group: "group"
        case .unknown: "unknown"
        case .outside: "outside"
        }
    }
}

/// Gathers what the members use, host by host.
///
/// All dependencies of member programs count, also those that the closure did not follow: the default policy
/// keeps devices and the kernel's views out of every group, and they decide the most.
struct UseCollector {
    private let group: MoveGroup
    private let graph: DependencyGraph
    private let order: NodeOrder
    private(set) var hosts: [HostID: HostUses] = [:]
    private var found: [HostID: [Use: Occurrences]] = [:]
    private var workloads: [HostID: Set<[UInt8]>] = [:]
    /// Who shares a channel or a file is asked for once each.
    private var sharing: [NodeID: Sharing] = [:]

    private struct Occurrences {
        var objects: Set<NodeID> = []
        var example: HostUses.Example
    }

    private struct Sharing {
        var reach: Use.Reach
        var outsider: NodeID?
    }

    init(_ group: MoveGroup, _ order: NodeOrder) {
        self.group = group
        self.order = order
        graph = group.graph
        for node in group.members { add(node) }
        hosts = Dictionary(uniqueKeysWithValues: hosts.map { ($0.key, ordered($0.value, of: $0.key)) })
    }

    private func ordered(_ gathered: HostUses, of host: HostID) -> HostUses {
        var uses = gathered
        uses.findings = found[host, default: [:]].sorted { $0.key < $1.key }.map { use, occurrences in
            HostUses.Finding(
                use: use, objects: sorted(occurrences.objects), example: occurrences.example)
        }
        uses.workloads = workloads[host, default: []].sorted { $0.lexicographicallyPrecedes($1) }
        uses.programs = sorted(uses.programs)
        uses.files = sorted(uses.files)
        uses.entries = sorted(uses.entries)
        return uses
    }

    private func sorted(_ nodes: some Sequence<NodeID>) -> [NodeID] {
        nodes.sorted { order.compare($0, $1) < 0 }
    }

    private mutating func add(_ node: NodeID) {
        let host = graph.host(node)
        switch graph.kind(node) {
        case .program: addProgram(node, on: host)
        case .file: addFile(node, on: host)
        case .entry: hosts[host, default: HostUses()].entries.append(node)
        // Addresses and channels are met from the programs that use them.
        case .endpoint, .channel: break
        }
    }

    private mutating func addFile(_ node: NodeID, on host: HostID) {
        guard !KernelPath.isPseudo(graph.withText(node) { Array($0) }) else { return }
        var isWritten = false
        graph.forEachEdge(at: node) { edge in
            if edge.mark.access.contains(.written), group.contains(edge.other) { isWritten = true }
        }
        hosts[host, default: HostUses()].files.append(node)
        if isWritten { hosts[host, default: HostUses()].writtenFiles += 1 }
    }

    private mutating func addProgram(_ node: NodeID, on host: HostID) {
        hosts[host, default: HostUses()].programs.append(node)
        guard case .program(let name) = graph[node] else { return }
        if !name.workload.isEmpty { workloads[host, default: []].insert(name.workload) }
        if group.isStop(node) {
            hosts[host, default: HostUses()].stops += 1
            return
        }
        if KernelPath.isModuleLoader(name.executable) { note(Use(.module), node, node) }
        let graph = graph
        graph.forEachEdge(at: node) { edge in
            switch edge.mark.link {
            case .file: if !edge.isIncoming { addFileUse(node, edge) }
            case .spawn: if !edge.isIncoming { note(Use(.spawn), node, edge.other) }
            case .listen: if !edge.isIncoming { addListener(node, edge.other) }
            case .connect, .accept: addConnection(node, edge)
            case .ipc: addChannel(node, edge)
            // Rows of a list that says no more lead to entries, which are counted.
            case .listed: break
            }
        }
    }

    // MARK: Files

    private mutating func addFileUse(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let path = graph.withText(edge.other) { Array($0) }
        let kind = graph.detail(edge.edge).kind
        guard let use = KernelPath.use(path, edge.mark.access, kind) else { return }
        if use.isShared {
            let sharing = sharing(of: edge.other, .file)
            note(Use(use, sharing.reach), node, edge.other, peer: sharing.outsider)
        } else {
            note(Use(use), node, edge.other)
        }
    }

    // MARK: The network

    private mutating func addListener(_ node: NodeID, _ address: NodeID) {
        note(Use(.listen, isLoopback(address) ? .inside : .outside), node, address)
    }

    private func isLoopback(_ node: NodeID) -> Bool {
        guard case .endpoint(_, let endpoint) = graph[node] else { return false }
        return endpoint.address.isLoopback
    }

    /// The record may be that of the other side.
    private mutating func addConnection(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        let connects = (edge.mark.link == .connect) != edge.isIncoming
        let via = graph.detail(edge.edge).via
        let object = via ?? edge.other
        let isProgram = graph.kind(edge.other) == .program
        let reach: Use.Reach
        if !isProgram || !group.contains(edge.other) {
            reach = .outside
        } else if graph.host(edge.other) == graph.host(node), via.map({ isLoopback($0) }) ?? false {
            reach = .inside
        } else {
            reach = .group
        }
        note(
            Use(connects ? .connect : .accept, reach), node, object,
            peer: object != edge.other ? edge.other : nil)
    }

    // MARK: Inter-process communication

    private mutating func addChannel(_ node: NodeID, _ edge: DependencyGraph.Incidence) {
        if graph.kind(edge.other) == .channel {
            guard !edge.isIncoming else { return }
            let sharing = sharing(of: edge.other, .ipc)
            note(Use(kind(ofChannel: edge.other), sharing.reach), node, edge.other, peer: sharing.outsider)
            return
        }
        // A named channel has an edge of its own; of a pipe just the other end is known.
        guard let via = graph.detail(edge.edge).via, graph.isNameless(via) else { return }
        let reach: Use.Reach = group.contains(edge.other) ? .inside : .outside
        note(Use(kind(ofChannel: via), reach), node, via, peer: edge.other)
    }

    private func kind(ofChannel node: NodeID) -> Use.Kind {
        guard case .channel(let mechanism, let name) = graph[node] else { return .unix }
        return Use.Kind(mechanism, name: name)
    }

    /// Whether all known sharers are members; of the others the first in the order of outputs.
    private mutating func sharing(of object: NodeID, _ link: Link) -> Sharing {
        if let known = sharing[object] { return known }
        var result = Sharing(reach: .inside)
        if link == .ipc, graph.isNameless(object) {
            result.reach = .unknown
        } else {
            graph.forEachEdge(at: object) { edge in
                guard edge.isIncoming, edge.mark.link == link, !group.contains(edge.other) else { return }
                result.reach = .outside
                if let known = result.outsider, order.compare(known, edge.other) < 0 { return }
                result.outsider = edge.other
            }
        }
        sharing[object] = result
        return result
    }

    // MARK: What was found

    private mutating func note(_ use: Use, _ program: NodeID, _ object: NodeID, peer: NodeID? = nil) {
        let host = graph.host(program)
        let example = HostUses.Example(program: program, object: object, peer: peer)
        guard var known = found[host, default: [:]].removeValue(forKey: use) else {
            found[host, default: [:]][use] = Occurrences(objects: [object], example: example)
            return
        }
        known.objects.insert(object)
        if precedes(example, known.example) { known.example = example }
        found[host, default: [:]][use] = known
    }

    private func precedes(_ one: HostUses.Example, _ other: HostUses.Example) -> Bool {
        for order in [order.compare(one.program, other.program), order.compare(one.object, other.object)]
        where order != 0 {
            return order < 0
        }
        guard let peer = one.peer else { return other.peer != nil }
        return other.peer.map { order.compare(peer, $0) < 0 } ?? false
    }
}
