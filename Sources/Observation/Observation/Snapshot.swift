public import Records

/// A file that a process has open or mapped.
public struct HeldFile: Sendable {
    /// The path.
    public var path: [UInt8]
    /// How it is held.
    public var access: Access
    /// Its type.
    public var kind: FileKind

    /// Makes a held file.
    public init(path: [UInt8], access: Access, kind: FileKind) {
        self.path = path
        self.access = access
        self.kind = kind
    }
}

/// A process as a scan of /proc finds it.
public struct ProcessSnapshot: Sendable {
    /// What it is.
    public var facts: ProcessFacts
    /// What it has open and mapped.
    public var files: [HeldFile]
    /// When reading it began, `CLOCK_MONOTONIC`, nanoseconds: what happened before is contained in it. 0 where
    /// it was not noted: then when the scan began.
    public var time: UInt64
    /// Whether the control group was read: `nil` means the root then.
    public var hasWorkload: Bool

    /// Makes a snapshot.
    public init(facts: ProcessFacts, files: [HeldFile], time: UInt64 = 0, hasWorkload: Bool = false) {
        self.facts = facts
        self.files = files
        self.time = time
        self.hasWorkload = hasWorkload
    }
}

/// A socket as a dump of sock_diag finds it.
public struct SocketSnapshot: Sendable {
    /// Its protocol.
    public var transport: Transport
    /// Whether it waits for connections or datagrams.
    public var isListening: Bool
    /// This side.
    public var local: Endpoint
    /// The other side; port 0 where there is none.
    public var remote: Endpoint
    /// Processes that hold it; none if nobody does any more.
    public var holders: [Int32]
    /// Payload bytes sent.
    public var sent: UInt64
    /// What the kernel counts as received: payload, and one for a FIN.
    public var received: UInt64
    /// Whether the other side has ended its stream.
    public var endReceived: Bool
    /// The network namespace that it was found in, by its inode; 0 where that was not noted.
    public var network: UInt64

    /// Makes a snapshot.
    public init(
        _ transport: Transport, isListening: Bool, local: Endpoint, remote: Endpoint, holders: [Int32],
        sent: UInt64 = 0, received: UInt64 = 0, endReceived: Bool = false, network: UInt64 = 0
    ) {
        self.transport = transport
        self.isListening = isListening
        self.local = local
        self.remote = remote
        self.holders = holders
        self.sent = sent
        self.received = received
        self.endReceived = endReceived
        self.network = network
    }
}

/// Something through which processes of one host talk, as a scan finds it.
public struct ChannelSnapshot: Sendable {
    /// What it is.
    public var mechanism: Mechanism
    /// Its name: a path, an abstract socket's name, a key; for a nameless one what it is.
    public var name: [UInt8]
    /// Processes at one end, or all that share an object without ends.
    public var holders: [Int32]
    /// Processes at the other end; the same ones where there are no two ends.
    public var peers: [Int32]
    /// The inode of the socket at one end, by which a connection is known again; 0 for what is none.
    public var number: UInt32

    /// Makes a snapshot.
    public init(
        _ mechanism: Mechanism, name: [UInt8], holders: [Int32], peers: [Int32], number: UInt32 = 0
    ) {
        self.number = number
        self.mechanism = mechanism
        self.name = name
        self.holders = holders
        self.peers = peers
    }
}

/// A connection whose destination the kernel translates, as a scan of connection tracking finds it.
public struct TranslatedConnection: Hashable, Sendable {
    /// Its protocol.
    public var transport: Transport
    /// Who asked.
    public var client: Endpoint
    /// What was asked for.
    public var asked: Endpoint
    /// Who answers.
    public var server: Endpoint
    /// Whom the one that answers sees as the one that asked.
    public var seen: Endpoint
    /// The network namespace that translates, by its inode; 0 where it is not known.
    public var network: UInt64

    /// Makes one.
    public init(
        _ transport: Transport, client: Endpoint, asked: Endpoint, server: Endpoint, seen: Endpoint,
        network: UInt64 = 0
    ) {
        self.transport = transport
        self.client = client
        self.asked = asked
        self.server = server
        self.seen = seen
        self.network = network
    }
}

/// A part of a scan that failed: what it would have found is missing from the snapshot.
public struct ScanFailure: Equatable, Sendable {
    /// What could not be read, in a few words, such as `UDP sockets`.
    public var what: String
    /// Why, an `errno` value.
    public var code: Int32

    /// Makes a failure.
    public init(_ what: String, _ code: Int32) {
        self.what = what
        self.code = code
    }

    /// The source that it counts to.
    public var source: String { what.contains("sockets") ? SourceName.sockets : SourceName.scans }
    /// The cause, as a gap has it.
    public var cause: String { "scan of \(what): errno \(code)" }
}

/// Everything that a scan of the host finds at one moment.
public struct HostSnapshot: Sendable {
    /// When it began, `CLOCK_MONOTONIC`, nanoseconds: events before that are contained in it.
    public var monotonic: UInt64 = 0
    /// The same moment, nanoseconds since 1970.
    public var wall: UInt64 = 0
    /// When the TCP sockets had been read, `CLOCK_MONOTONIC`, nanoseconds: of one that was found, the event
    /// of its connection is not younger. 0 where it was not noted: then when the scan began.
    public var socketsRead: UInt64 = 0
    /// The host's addresses, loopback left out.
    public var addresses: [NetworkAddress] = []
    /// The network namespace that they are of, by its inode; 0 where that was not noted.
    public var network: UInt64 = 0
    /// The network namespaces whose sockets were all read.
    public var networks: [UInt64] = []
    /// Processes, parents not necessarily before their children.
    public var processes: [ProcessSnapshot] = []
    /// TCP and UDP sockets.
    public var sockets: [SocketSnapshot] = []
    /// Unix sockets, pipes, shared memory and the like.
    public var channels: [ChannelSnapshot] = []
    /// Network namespaces of which connection tracking could not be asked, though it is in use there.
    public var untranslatedNetworks: UInt64 = 0
    /// Connections whose destination is translated.
    public var translations: [TranslatedConnection] = []
    /// Unix sockets that have a name and wait for connections or datagrams.
    public var unixListeners: [UnixListener] = []
    /// What of it could not be read: a gap until a scan can read it again.
    public var failures: [ScanFailure] = []
    /// Whether every process was read; not where the request had a limit that was reached.
    public var isComplete = true

    /// Makes an empty snapshot.
    public init() {}
}
