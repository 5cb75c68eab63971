/// A life of a pid that stands for its program: what the program runs with, which no record of what it does has.
///
/// Names are bytes and not numbers of a ledger: there are a few hundred, they are read at a dump and gone after it.
public struct ProcessDescription: Equatable, Sendable {
    /// The program: executable, script and workload, empty where it has none.
    public var executable: [UInt8]
    /// See `executable`.
    public var script: [UInt8]
    /// See `executable`.
    public var workload: [UInt8]
    /// Its number in the daemon's pid namespace.
    public var pid: UInt32
    /// When it started, nanoseconds since 1970.
    public var start: UInt64
    /// Since when its events were observed, nanoseconds since 1970.
    public var observed: UInt64
    /// Whether its start was seen, and not found in a scan.
    public var isStartObserved: Bool
    /// How many processes of the program lived, this one among them; 0 where it is not said.
    public var processes: UInt64 = 0
    /// Bytes that these have had written to storage since they started (`write_bytes`, proc_pid_io(5)); `nil` where that
    /// could not be read.
    public var written: UInt64?
    /// What it runs with.
    public var settings = ProcessSettings()

    /// Makes a description of a process of which nothing more is known.
    public init(
        executable: [UInt8], script: [UInt8] = [], workload: [UInt8] = [], pid: UInt32, start: UInt64,
        observed: UInt64, isStartObserved: Bool
    ) {
        (self.executable, self.script, self.workload) = (executable, script, workload)
        (self.pid, self.start, self.observed) = (pid, start, observed)
        self.isStartObserved = isStartObserved
    }
}

/// What a process runs with, as far as it is known and may be shown.
public struct ProcessSettings: Equatable, Sendable {
    /// A user or group.
    public struct Account: Equatable, Sendable {
        /// Its number.
        public var number: UInt32
        /// What the host calls it; empty where that is not known.
        public var name: String

        /// Makes one.
        public init(_ number: UInt32, name: String = "") { (self.number, self.name) = (number, name) }
    }

    /// A limit (getrlimit(2)); `nil` for none.
    public struct Limit: Equatable, Sendable {
        /// By the word of prlimit(1): `nofile`.
        public var resource: String
        /// What holds.
        public var soft: UInt64?
        /// How far that may be raised.
        public var hard: UInt64?

        /// Makes one.
        public init(_ resource: String, soft: UInt64?, hard: UInt64?) {
            (self.resource, self.soft, self.hard) = (resource, soft, hard)
        }
    }

    /// The arguments, the name first, after `Redaction`; empty where they are not known.
    public var arguments: [[UInt8]] = []
    /// The environment after `Redaction`: `NAME=value`, or `NAME`.
    public var environment: [[UInt8]] = []
    /// Whether arguments or environment were longer than what is kept of them.
    public var isCut = false
    /// The working directory, as the process sees it; empty where it is not known.
    public var folder: [UInt8] = []
    /// The effective user and group, and the supplementary groups; `nil` where they are not known.
    public var user: Account?
    /// See `user`.
    public var group: Account?
    /// See `user`.
    public var groups: [Account] = []
    /// Effective capabilities, sixteen hexadecimal digits; empty where they are not known.
    public var capabilities = ""
    /// What is limited.
    public var limits: [Limit] = []
    /// The nice value.
    public var nice = 0
    /// `oom_score_adj`.
    public var killPreference = 0
    /// Inode numbers of the namespaces that are not the daemon's, by their kind.
    public var namespaces: [String: UInt64] = [:]

    /// Nothing known.
    public init() {}
}
