/// What kind of dependency a record is (DESIGN: the key `relation` of a dump).
public enum Relation: UInt8, Sendable, CaseIterable {
    /// A path in a filesystem that the program opened or executed.
    case file
    /// A program that this program started, or became by `execve`.
    case spawn
    /// A connection that this program made.
    case connect
    /// A connection that this program took.
    case accept
    /// An address on which this program waits for connections or datagrams.
    case listen
    /// An object of inter-process communication that this program shares.
    case ipc
}

/// How a dependency is known; the order is the order of strength.
public enum Evidence: UInt8, Sendable, CaseIterable, Comparable {
    /// Concluded from like connections.
    case inferred
    /// Found in a scan of /proc or of the kernel's socket tables.
    case snapshot
    /// The kernel named the process.
    case exact

    /// Weaker evidence comes first.
    public static func < (left: Evidence, right: Evidence) -> Bool { left.rawValue < right.rawValue }
}

/// How a file was used: the set of letters that was seen.
public struct Access: OptionSet, Hashable, Sendable {
    /// Bit 0 `r`, bit 1 `w`, bit 2 `x`.
    public let rawValue: UInt8
    /// Makes a set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// Opened, in whatever mode.
    public static let opened = Access(rawValue: 1)
    /// Opened for writing.
    public static let written = Access(rawValue: 2)
    /// Executed: as the program, its script or its ELF interpreter.
    public static let executed = Access(rawValue: 4)
}

/// The type of a file (`st_mode & S_IFMT`, see inode(7)).
public enum FileKind: UInt8, Sendable, CaseIterable {
    case regular, directory, fifo, socket, char, block
}

/// A transport protocol over which sockets talk. Stores hold the numbers: new ones come last.
public enum Transport: UInt8, Sendable, CaseIterable {
    case tcp, udp
    /// Multipath TCP, SCTP and UDP-Lite, with ports as these have them.
    case mptcp, sctp, udplite
    /// Raw IP sockets; the IP protocol's number stands for the port.
    case raw
    /// ICMP echo sockets; the echo's identifier stands for the port.
    case ping
    /// Packet sockets, without addresses; the EtherType stands for the port.
    case packet
}

/// A mechanism of inter-process communication on one host.
public enum Mechanism: UInt8, Sendable, CaseIterable {
    case unix, fifo, pipe, shm, sem, msg
    case posixShm
    case mqueue
}
