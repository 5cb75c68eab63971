public import Records

/// A piece of the bytes of a batch.
public struct Slice: Hashable, Sendable {
    /// Offset of the first byte.
    public var start: UInt32
    /// Number of bytes; 0 where there is nothing.
    public var count: UInt32

    /// Makes a slice from a range of offsets.
    public init(_ range: Range<Int>) {
        start = UInt32(range.lowerBound)
        count = UInt32(range.count)
    }

    /// Nothing.
    public static let empty = Slice(0..<0)
    /// The offsets.
    public var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// Something that happened to a file or directory.
public struct FileEvent: Sendable {
    /// What happened; the kernel merges like events that wait together, so there can be several.
    public struct Flags: OptionSet, Sendable {
        /// One bit each.
        public let rawValue: UInt8
        /// Makes a set from its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }
        /// Opened, in whatever mode.
        public static let opened = Flags(rawValue: 1)
        /// Opened in order to be executed.
        public static let executed = Flags(rawValue: 2)
        /// The last descriptor of a writable open file description was closed.
        public static let closedWritable = Flags(rawValue: 4)
        /// The name was made.
        public static let created = Flags(rawValue: 8)
        /// The name was moved.
        public static let renamed = Flags(rawValue: 16)
        /// The object is a directory.
        public static let directory = Flags(rawValue: 32)
        /// The object's path is too long to be written out; no event says so, but the naming of it.
        static let beyond = Flags(rawValue: 64)
        /// The name was made for a file that was there before; no event says so, but `created` without an open.
        static let published = Flags(rawValue: 128)
    }

    /// What happened.
    public var flags: Flags
    /// The process that did it; 0 if it cannot be named.
    public var pid: Int32
    /// Identity of the parent directory (for a directory named `.`: its own).
    public var directory: Slice
    /// Name in it.
    public var name: Slice
    /// Identity of the object.
    public var target: Slice
    /// For a rename: identity of the new parent directory.
    public var newDirectory: Slice
    /// For a rename: the new name.
    public var newName: Slice
    /// The whole path, where the kernel gave a descriptor and no identities.
    public var path: Slice

    /// Makes an event of an object named by identity and name.
    public init(
        _ flags: Flags, pid: Int32, directory: Slice = .empty, name: Slice = .empty, target: Slice = .empty,
        newDirectory: Slice = .empty, newName: Slice = .empty, path: Slice = .empty
    ) {
        self.flags = flags
        self.pid = pid
        self.directory = directory
        self.name = name
        self.target = target
        self.newDirectory = newDirectory
        self.newName = newName
        self.path = path
    }
}

/// Something that happened to a process.
public struct LifecycleEvent: Hashable, Sendable {
    /// What happened.
    public enum Kind: UInt8, Sendable {
        /// A process was made, has replaced its image, has ended.
        case fork, exec, exit
    }

    /// What happened.
    public var kind: Kind
    /// The process; for a fork, the new one.
    public var pid: Int32
    /// For a fork: the process that made it.
    public var parent: Int32
    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64

    /// Makes an event.
    public init(_ kind: Kind, pid: Int32, parent: Int32 = 0, time: UInt64) {
        self.kind = kind
        self.pid = pid
        self.parent = parent
        self.time = time
    }
}

/// A process was moved to another control group.
public struct MoveEvent: Sendable {
    /// The process.
    public var pid: Int32
    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64
    /// The control group that it is in now; `nil` for the root.
    public var workload: [UInt8]?
    /// Whether that could be read: a process that is gone does not say in which group it was.
    public var isKnown: Bool
    /// Whether the event itself says where it led; else the process was asked a moment later.
    public var isNamed = false
    /// Its group in the unified hierarchy by number, if that is where it was moved; 0 else.
    public var group: UInt64 = 0

    /// Makes an event.
    public init(pid: Int32, time: UInt64, workload: [UInt8]?, isKnown: Bool = true) {
        self.pid = pid
        self.time = time
        self.workload = workload
        self.isKnown = isKnown
    }
}

/// A TCP socket changed its state.
public struct TransitionEvent: Sendable {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    public var time: UInt64
    /// The process in whose context it happened; it means something only where a call of that process
    /// causes the change (connect, listen, close).
    public var pid: Int32
    /// The socket: its address in the kernel, good as a name while it lives.
    public var socket: UInt64
    /// State before.
    public var from: TCPState
    /// State after.
    public var to: TCPState
    /// This side.
    public var local: Endpoint
    /// The other side.
    public var remote: Endpoint

    /// Makes an event.
    public init(
        time: UInt64, pid: Int32, socket: UInt64, from: TCPState, to: TCPState, local: Endpoint,
        remote: Endpoint
    ) {
        self.time = time
        self.pid = pid
        self.socket = socket
        self.from = from
        self.to = to
        self.local = local
        self.remote = remote
    }
}

/// A socket has gone. Its fields stand in the order in which they take the least room: it is copied often.
public struct ClosureEvent: Sendable {
    /// Its protocol.
    public var transport: Transport
    /// Whether the FIN is among what was never read: then it was counted.
    public var hasUnreadEnd: Bool
    /// The kernel's inodes of namespaces have 32 bits.
    private var number: UInt32
    /// This side.
    public var local: Endpoint
    /// The other side.
    public var remote: Endpoint
    /// The namespace in the key of its connection (`FourTuple.network`), which the observer finds out.
    var place: UInt32 = 0
    /// Payload bytes sent.
    public var sent: UInt64
    /// What the kernel counts as received: payload, and one for a FIN.
    public var received: UInt64

    /// Its network namespace, by the inode; 0 for the one that is watched, `unknownNetwork` for another one that nothing
    /// is known of.
    public var network: UInt64 { number == .max ? Self.unknownNetwork : UInt64(number) }

    /// No inode.
    public static let unknownNetwork = UInt64.max

    /// Makes an event.
    public init(
        _ transport: Transport, local: Endpoint, remote: Endpoint, sent: UInt64 = 0, received: UInt64 = 0,
        hasUnreadEnd: Bool = false, network: UInt64 = 0
    ) {
        self.transport = transport
        self.local = local
        self.remote = remote
        self.sent = sent
        self.received = received
        self.hasUnreadEnd = hasUnreadEnd
        number = UInt32(clamping: network)
    }
}

/// What was read of a process's image soon after its exec.
public struct ImageFacts: Sendable {
    /// The process.
    public var pid: Int32
    /// Time of the exec that it was read after; 0 if not tied to one.
    public var time: UInt64
    /// The executable: its path in the daemon's mount namespace, or its name alone where that does not show it; of one that is
    /// only reported what was executed, as it was named, or where that leads (`isResolved`).
    public var executable: [UInt8]
    /// The script that the arguments name, as a path with its directories resolved; or the name of what it runs, a
    /// module or a class, which does not begin with a slash.
    public var script: [UInt8]?
    /// How far that could be read.
    public var reading: ScriptReading
    /// The control group.
    public var workload: [UInt8]?
    /// The network namespace, by its inode; 0 if it was not read.
    public var network: UInt64
    /// The name under which it was executed, without its folders (`argv[0]`); empty if it was not read.
    public var name: [UInt8] = []
    /// By which the last part of the first argument behind the name is known again (`NameHash`), since an argument may be
    /// anything; 0 if there is none, or it was not read.
    public var argument: UInt64 = 0
    /// Whether nothing was read of the process: the kernel has reported the exec, the name under which the file was executed,
    /// the namespace and the number of the control group, and the executable is the one that its file events name.
    public var isReported = false
    /// Whether the executable is where the path leads that was executed, in the daemon's mount namespace.
    public var isResolved = false
    /// When it was read, `CLOCK_MONOTONIC`, nanoseconds; 0 if that is not known. Not recorded.
    public var readAt: UInt64 = 0
    /// The control group by number, in the hierarchy that perf events follow; 0 if that was not reported.
    public var group: UInt64 = 0
    /// Whether `workload` says in which control group it is.
    public var hasWorkload = true
    /// Of one that was looked at: the path that the kernel has reported as executed, or where that leads in the daemon's mount
    /// namespace; empty if there was no report. Of one that is only reported, and resolved: the path, where a link on it may have been
    /// switched since the exec; else empty.
    public var path: [UInt8] = []
    /// Whether another program may have been executed instead. Not recorded.
    var isGuessed = false

    /// The path that was executed, as it was named or where that leads; empty if that was not reported.
    var executed: [UInt8] { isReported ? executable : path }

    /// Makes facts.
    public init(
        pid: Int32, time: UInt64, executable: [UInt8], script: [UInt8]? = nil,
        reading: ScriptReading = .known, workload: [UInt8]? = nil, network: UInt64 = 0
    ) {
        self.pid = pid
        self.time = time
        self.executable = executable
        self.script = script
        self.reading = reading
        self.workload = workload
        self.network = network
    }
}

/// Events that a source could not deliver.
public struct Loss: Hashable, Sendable {
    /// The source, as in the header of a dump.
    public var source: String
    /// Why.
    public var cause: String
    /// How many; `nil` where nobody can know.
    public var count: UInt64?
    /// The time before which nothing was lost, nanoseconds since 1970; 0 for the end of the last whole drain.
    public var since: UInt64

    /// Makes a loss.
    public init(source: String, cause: String, count: UInt64?, since: UInt64 = 0) {
        self.source = source
        self.cause = cause
        self.count = count
        self.since = since
    }
}

/// Everything that one cycle took from the kernel, in the order of the sources.
public struct EventBatch: Sendable {
    /// The time T that was taken before the sources were drained, `CLOCK_MONOTONIC`, nanoseconds.
    public var cutoff: UInt64 = 0
    /// The same moment, nanoseconds since 1970.
    public var wall: UInt64 = 0
    /// What the slices of file events point into.
    public var bytes: [UInt8] = []
    /// In the order of the kernel's queue.
    public var files: [FileEvent] = []
    /// In any order; the time decides.
    public var lifecycle: [LifecycleEvent] = []
    /// Facts about new images.
    public var images: [ImageFacts] = []
    /// In any order; the time decides.
    public var moves: [MoveEvent] = []
    /// In any order; the time decides.
    public var transitions: [TransitionEvent] = []
    /// Sockets that have gone.
    public var closures: [ClosureEvent] = []
    /// Connections that ended at or before this moment (`CLOCK_MONOTONIC`, nanoseconds) have no notice to be waited for,
    /// beside those that are here already: 0 where all have one, `UInt64.max` where none is made for now.
    public var noticesSince: UInt64 = 0
    /// Unix sockets that were connected, in any order.
    public var connects: [LocalConnect] = []
    /// UDP sockets that were closed, in any order.
    public var datagramEnds: [DatagramEvent] = []
    /// Datagrams from UDP sockets that are not connected, in the order of time.
    public var datagramSends: [DatagramEvent] = []
    /// UDP sockets that were connected or sent to an address, in any order.
    public var datagramRoutes: [DatagramEvent] = []

    /// Makes an empty batch.
    public init() {}

    /// Whether nothing has happened: what was read of new images comes with their execs.
    public var isEmpty: Bool {
        files.isEmpty && lifecycle.isEmpty && closures.isEmpty && transitions.isEmpty && moves.isEmpty
            && connects.isEmpty && datagramEnds.isEmpty && datagramSends.isEmpty
            && datagramRoutes.isEmpty
    }

    /// Empties the batch; keeps the memory of an ordinary one and gives that of a large one back.
    public mutating func reset() {
        func clear<Element>(_ array: inout [Element], _ most: Int) {
            array.removeAll(keepingCapacity: array.capacity <= most)
        }
        clear(&bytes, 1 << 20)
        clear(&files, 1 << 13)
        clear(&lifecycle, 1 << 12)
        clear(&images, 1 << 10)
        if !moves.isEmpty { clear(&moves, 1 << 10) }
        clear(&transitions, 1 << 12)
        clear(&closures, 1 << 12)
        clear(&connects, 1 << 12)
        clear(&datagramEnds, 1 << 12)
        if !datagramSends.isEmpty { clear(&datagramSends, 1 << 12) }
        if !datagramRoutes.isEmpty { clear(&datagramRoutes, 1 << 12) }
    }
}
