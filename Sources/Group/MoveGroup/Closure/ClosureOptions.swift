/// How to compute a move group.
public struct ClosureOptions: Sendable {
    /// Follow every relation both ways and stop nowhere, as the method was published.
    public var isSymmetric = false
    /// Where to stop; of no effect when `isSymmetric`.
    public var policy = BoundaryPolicy.standard
    /// Members beyond which nothing is followed.
    public var stopAt: [NodePattern] = []
    /// What is followed though the policy would stop there.
    public var include: [NodePattern] = []
    /// What does not join.
    public var exclude: [NodePattern] = []
    /// Among chains of equal length prefer those of stronger evidence, and among those the first in the order
    /// of outputs, so that reasons do not depend on the order of inputs; a little slower.
    public var prefersEvidence = false

    /// Default policy, nothing asked for beside it.
    public init() {}
}

/// Why a node joins, given the one that was there before.
public enum Follow: UInt8, Sendable, CaseIterable {
    /// It is where the closure began.
    case start
    /// A file that a member only reads or executes: copied along.
    case copied
    /// A file that a member writes, or reads and another program writes.
    case bound
    /// A program that writes a file which a member reads.
    case writes
    /// A program that reads a file which a member, or one that joins, writes.
    case reads
    /// A program that a member started.
    case child
    /// A program that started a member.
    case parent
    /// A program that a member connects to.
    case server
    /// A program that connects to a member.
    case client
    /// An address on which a member listens.
    case listens
    /// An object of inter-process communication that a member shares.
    case channel
    /// A program that shares such an object with a member.
    case sharer
    /// An address to which a member connects, or from which it is connected to.
    case endpoint
    /// Related to a member in a list that does not say how, or both ways since that was asked for.
    case related
}

/// Why a dependency of a member was not followed.
public enum Obstacle: Hashable, Sendable {
    /// A rule of the policy, by its number.
    case rule(Int)
    /// `--stop-at`, by its number.
    case stopAt(Int)
    /// `--exclude`, by its number.
    case exclude(Int)
    /// The other end of the connection was not observed: no dump of its host, or nothing in it.
    case unobserved
    /// The member only executes the file that the other program writes.
    case executed
    /// A program of which nothing is known.
    case unknown
}

/// A dependency of a member that leads out of the group.
public struct Crossing: Hashable, Sendable {
    /// The member.
    public var member: NodeID
    /// What was not followed.
    public var other: NodeID
    /// The dependency.
    public var edge: EdgeID
    /// What stopped it.
    public var obstacle: Obstacle
}
