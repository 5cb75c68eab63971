import Records

/// How two nodes belong together: a relation of the record format, or no more than that they do.
public enum Link: UInt8, Sendable, CaseIterable {
    case file, spawn, connect, accept, listen, ipc
    /// A row of a dependency list of four columns, which does not say how.
    case listed

    /// The same word as a record's.
    public init(_ relation: Relation) {
        switch relation {
        case .file: self = .file
        case .spawn: self = .spawn
        case .connect: self = .connect
        case .accept: self = .accept
        case .listen: self = .listen
        case .ipc: self = .ipc
        }
    }

    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .file: "file"
        case .spawn: "spawn"
        case .connect: "connect"
        case .accept: "accept"
        case .listen: "listen"
        case .ipc: "ipc"
        case .listed: "listed"
        }
    }
}

/// The number of an edge in a graph.
public struct EdgeID: Hashable, Comparable, Sendable {
    /// Position in the graph.
    public let rawValue: UInt32
    /// Makes a number from a position.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// Edges met earlier come first.
    public static func < (left: EdgeID, right: EdgeID) -> Bool { left.rawValue < right.rawValue }
}

/// Link, access and evidence of an edge in one byte.
public struct EdgeMark: Hashable, Sendable, BitwiseCopyable {
    let bits: UInt8

    /// Makes a mark; `evidence` is `nil` where the input does not tell.
    public init(_ link: Link, access: Access = [], evidence: Evidence? = nil) {
        bits = link.rawValue << 5 | (access.rawValue & 7) << 2 | (evidence?.rawValue ?? 3)
    }

    /// How the two belong together.
    @inline(__always)
    public var link: Link { Link(rawValue: bits >> 5).unsafelyUnwrapped }
    /// file: the letters seen.
    @inline(__always)
    public var access: Access { Access(rawValue: bits >> 2 & 7) }
    /// How it is known; `nil` where the input did not tell.
    public var evidence: Evidence? { Evidence(rawValue: bits & 3) }
    /// Strength of the evidence for choosing between reasons; what a list states counts as exact.
    @inline(__always)
    var strength: UInt8 { min(bits & 3, Evidence.exact.rawValue) }
}

/// What is known of an edge beside its ends and its mark.
public struct EdgeDetail: Sendable, BitwiseCopyable {
    /// Observations; 0 if not told.
    public var count: UInt64 = 0
    /// First observation, nanoseconds since 1970; 0 if not told.
    public var first: UInt64 = 0
    /// Last observation, nanoseconds since 1970; 0 if not told.
    public var last: UInt64 = 0
    /// connect, accept: payload bytes that the edge's first end sent.
    public var sent: UInt64 = 0
    /// connect, accept: payload bytes that it received.
    public var received: UInt64 = 0
    /// The node of the endpoint or of the channel over which two programs meet, plus one; 0: none.
    var viaPlusOne: UInt32 = 0
    /// The input that told it; equal dependencies of one input add up, those of two are the same.
    public var source: UInt16 = 0
    var kindBits: UInt8 = 0

    /// The node of the endpoint or of the channel over which two programs meet.
    public var via: NodeID? {
        get { viaPlusOne == 0 ? nil : NodeID(rawValue: viaPlusOne - 1) }
        set { viaPlusOne = newValue.map { $0.rawValue + 1 } ?? 0 }
    }

    /// file: the type of the file.
    public var kind: FileKind {
        get { FileKind(rawValue: kindBits) ?? .regular }
        set { kindBits = newValue.rawValue }
    }

    /// Nothing known.
    public init() {}
}

/// A dependency between two nodes, from the program that has it to its object.
public struct Edge: Sendable {
    /// The program that depends.
    public var from: NodeID
    /// What it depends on.
    public var to: NodeID
    /// How, and how it is known.
    public var mark: EdgeMark
}
