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
    /// Sockets between a virtual machine and its host, without addresses.
    case vsock
}

/// A mechanism of inter-process communication on one host.
public enum Mechanism: UInt8, Sendable, CaseIterable {
    case unix, fifo, pipe, shm, sem, msg
    case posixShm
    case mqueue
}

// The words of the record format `retinue/2`, one for each case of the vocabulary.

extension Relation {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .file: "file"
        case .spawn: "spawn"
        case .connect: "connect"
        case .accept: "accept"
        case .listen: "listen"
        case .ipc: "ipc"
        }
    }

    /// The relation that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Evidence {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .inferred: "inferred"
        case .snapshot: "snapshot"
        case .exact: "exact"
        }
    }

    /// The evidence that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Access {
    /// The letters in a dump, in the order `rwx`.
    public var letters: StaticString {
        switch rawValue & 7 {
        case 1: "r"
        case 2: "w"
        case 3: "rw"
        case 4: "x"
        case 5: "rx"
        case 6: "wx"
        case 7: "rwx"
        default: ""
        }
    }

    /// The set that letters of a dump stand for; only the spellings of `letters` are taken.
    public init?(letters: String) {
        let spelled = (0..<8).map { Access(rawValue: $0) }
        guard let found = spelled.first(word: letters, { $0.letters }) else { return nil }
        self = found
    }
}

extension FileKind {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .regular: "regular"
        case .directory: "directory"
        case .fifo: "fifo"
        case .socket: "socket"
        case .char: "char"
        case .block: "block"
        }
    }

    /// The kind that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Transport {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        case .mptcp: "mptcp"
        case .sctp: "sctp"
        case .udplite: "udplite"
        case .raw: "raw"
        case .ping: "ping"
        case .packet: "packet"
        case .vsock: "vsock"
        }
    }

    /// The transport that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Mechanism {
    /// The word in a dump.
    public var word: StaticString {
        switch self {
        case .unix: "unix"
        case .fifo: "fifo"
        case .pipe: "pipe"
        case .shm: "shm"
        case .sem: "sem"
        case .msg: "msg"
        case .posixShm: "posix-shm"
        case .mqueue: "mqueue"
        }
    }

    /// The mechanism that a word of a dump stands for.
    public init?(word: String) {
        guard let found = Self.allCases.first(word: word, { $0.word }) else { return nil }
        self = found
    }
}

extension Sequence {
    /// The element with this word, compared byte by byte; there are never more than eight.
    fileprivate func first(word: String, _ spelled: (Element) -> StaticString) -> Element? {
        first { element in
            spelled(element).withUTF8Buffer { word.utf8.elementsEqual($0) }
        }
    }
}
