/// What a scheduler is asked: where each of the programs that may move had best run. `retinue-placement-question/1`.
public struct PlacementQuestion: Equatable, Sendable {
    /// The name of the format.
    public static let schema = "retinue-placement-question/1"

    /// Seconds over which demand was measured.
    public var seconds = 0.0
    /// Moves that are wanted at most; those off a host that is to be empty are not counted.
    public var limit = 1
    /// By which share of what it is about a move has to improve it, from 0 to 1.
    public var gain = 0.1
    /// All hosts, in the order of the policy.
    public var hosts: [Host] = []
    /// What may move, in the order in which it starts.
    public var moves: [Move] = []
    /// What talked to what.
    public var edges: [Edge] = []

    /// A host, and what it has to do.
    public struct Host: Equatable, Sendable {
        /// By its certificate's name.
        public var name: String
        /// Processors that its programs may use.
        public var processors = 1.0
        /// How many threads ran, or waited for a processor, in the mean.
        public var demand = 0.0
        /// How many of them ran.
        public var used = 0.0
        /// Bytes of memory.
        public var memory: UInt64 = 0
        /// Bytes of it that programs can still have.
        public var available: UInt64 = 0
        /// Whether it is to be empty: nothing goes there, and everything that may goes away.
        public var isLeaving = false

        /// A host of which the name is known.
        public init(_ name: String) { self.name = name }
    }

    /// The programs of one plan, which move together.
    public struct Move: Equatable, Sendable {
        /// What the move is called.
        public var name: String
        /// The host at which they run.
        public var host: String
        /// Hosts at which they may run.
        public var may: [String] = []
        /// How many there are.
        public var processes = 0
        /// As of a host.
        public var demand = 0.0
        /// As of a host.
        public var used = 0.0
        /// Bytes of memory that are theirs.
        public var memory: UInt64 = 0

        /// Programs of which name and place are known.
        public init(_ name: String, at host: String) { (self.name, self.host) = (name, host) }
    }

    /// Bytes that went both ways between the programs of a move and others.
    public struct Edge: Equatable, Sendable {
        /// The one.
        public var move: String
        /// The other: a move, or a host of which other programs are meant.
        public var peer: Peer
        /// How many bytes.
        public var bytes: UInt64

        /// At the other end.
        public enum Peer: Equatable, Hashable, Sendable {
            /// The programs of another move.
            case move(String)
            /// Programs of a host that do not move.
            case host(String)
        }

        /// An edge.
        public init(_ move: String, _ peer: Peer, bytes: UInt64) {
            (self.move, self.peer, self.bytes) = (move, peer, bytes)
        }
    }

    /// An empty question.
    public init() {}

    /// Bytes that went between hosts, as the programs are placed, or would be with some of them elsewhere.
    public func bytesBetweenHosts(with moved: [String: String] = [:]) -> UInt64 {
        let places = Dictionary(moves.map { ($0.name, moved[$0.name] ?? $0.host) }) { first, _ in first }
        return edges.reduce(0) { sum, edge in
            let other: String? =
                switch edge.peer {
                case .move(let name): places[name]
                case .host(let name): name
                }
            guard let one = places[edge.move], let other, one != other else { return sum }
            return sum.addingReportingOverflow(edge.bytes).overflow ? .max : sum + edge.bytes
        }
    }
}
