/// What a frame of a recorded event stream holds.
///
/// A stream is the line `retinue-trace/1`, then frames: tag (1 byte, never 0), length (4 bytes, little-endian),
/// payload. Raw bytes of the kernel are kept as they were received, so a replay runs the parsers too.
public enum TraceTag: UInt8, Sendable, CaseIterable {
    /// Host and daemon: the first frame.
    case host = 1
    /// A cycle begins: cutoff and wall clock.
    case cycle = 2
    /// Bytes read from the fanotify group.
    case fanotify = 3
    /// An event of the group in descriptor mode, its path already read.
    case descriptorEvent = 4
    /// A datagram of the proc connector.
    case process = 5
    /// Facts that were read of a new image.
    case image = 6
    /// Records of the tracepoint ring.
    case tracepoint = 7
    /// A datagram about a socket that has gone.
    case closure = 8
    /// What the daemon was restricted to: the second frame, where it was.
    case scope = 9
    /// An answer of the surroundings: path of a directory (recordings of earlier versions).
    case directoryAnswer = 10
    /// An answer: a process.
    case processAnswer = 11
    /// An answer: head of an executable.
    case headAnswer = 12
    /// An answer: kind of a file.
    case kindAnswer = 13
    /// An answer: the host's addresses.
    case addressesAnswer = 14
    /// An answer: path of a directory and the identities of those that it lies in.
    case directoryChain = 15
    /// A process that was moved to another control group.
    case move = 16
    /// A scan begins: purpose and times.
    case snapshot = 20
    /// A process of the scan.
    case snapshotProcess = 21
    /// A socket of the scan.
    case snapshotSocket = 22
    /// A channel of the scan.
    case snapshotChannel = 23
    /// The host's addresses at the scan.
    case snapshotAddresses = 24
    /// The daemon asks for a scan, besides those that its session asks for.
    case scanRequest = 25
    /// A part of the scan that failed.
    case snapshotFailure = 26
    /// A Unix socket of the scan that has a name.
    case snapshotListener = 27
    /// A connection of the scan whose destination is translated.
    case snapshotTranslation = 28
    /// A gap that is over (recordings of earlier versions).
    case loss = 30
    /// A dump was made: everything before it is in it.
    case dump = 31
    /// A source could not deliver everything to the drain of this cycle.
    case drainLoss = 32
    /// How the sources run, and what is not watched.
    case sources = 33
    /// Nothing was observed for a time before this run.
    case absence = 34
    /// The mount table has changed.
    case mounts = 35
    /// How much memory records and tables may take.
    case budget = 36
    /// A Unix socket was connected.
    case localConnect = 37
    /// A UDP socket was closed.
    case datagramEnd = 38
    /// A datagram about a socket that has gone, behind the inode of its network namespace, another than the daemon's.
    case closureElsewhere = 39
    /// A datagram was sent from a UDP socket that is not connected.
    case datagramSend = 40
    /// Up to when ended connections have no notice.
    case notices = 41
    /// A UDP socket was connected, or sent a datagram to an address.
    case datagramRoute = 42
}

/// A recorded stream that is not one, or is damaged.
public enum TraceError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The first line is not that of a recorded stream.
    case notATrace
    /// The stream is of a format that this version does not read.
    case unknownVersion(String)
    /// The bytes end inside a frame: the recording was cut off.
    case truncated(offset: Int)
    /// A frame's payload does not hold what its tag says.
    case malformed(offset: Int)
    /// A frame is longer than any that is written (`TraceFormat.longestPayload`).
    case tooLong(offset: Int)
    /// The stream could not be read on.
    case unreadable(offset: Int, reason: String)

    /// The error as a sentence.
    public var description: String {
        switch self {
        case .notATrace: "not a recorded event stream (the first line is not `retinue-trace/1`)"
        case .unknownVersion(let line):
            "a recording in the format `\(line)`; this version reads `retinue-trace/1`: use the retinued that "
                + "recorded it, or a later one"
        case .truncated(let offset): "the recording ends in the middle of a frame at byte \(offset)"
        case .malformed(let offset): "a frame at byte \(offset) does not hold what its tag says"
        case .tooLong(let offset):
            "a frame at byte \(offset) is longer than the \(TraceFormat.longestPayload) bytes that a frame may have"
        case .unreadable(let offset, let reason): "the recording cannot be read at byte \(offset): \(reason)"
        }
    }
}

/// Limits and names of the format.
public enum TraceFormat {
    /// The longest payload of a frame in bytes: more than a drain of any source, or the descriptors of any process,
    /// take. What is read of a stream at a time is bounded by it.
    public static let longestPayload = 64 << 20
    /// What the first line of every version begins with.
    static let name = Array("retinue-trace/".utf8)
}

/// The first line of a stream; its number is the version of the format.
public let traceMagic: [UInt8] = Array("retinue-trace/1\n".utf8)
