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
    /// Members of a list that does not tell programs from files, nor how they belong together.
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
