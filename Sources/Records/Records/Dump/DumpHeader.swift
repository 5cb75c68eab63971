/// A version of the record format, as the key `schema` of a header names it.
public enum DumpVersion: String, Sendable, CaseIterable {
    /// `host` is an object in the header and text elsewhere; a gap's `lost` is never left out.
    case first = "retinue/1"
    /// The present one.
    case second = "retinue/2"

    /// The version that is written.
    public static let written = DumpVersion.second
}

/// The first line of a dump: who speaks, of which host, and how it knows.
public struct DumpHeader: Sendable {
    /// One source of events and how it fared.
    public struct Source: Sendable {
        /// Its name: `fanotify`, `proc_connector`, `sock_diag`, `tracepoint`, `procfs`.
        public var name: String
        /// How it runs (`fid`, `descriptor`, `off: no tracefs`).
        public var mode: String
        /// Events received since the daemon's start.
        public var received: UInt64
        /// Events lost since the daemon's start; where the kernel does not count, times that it said so.
        public var lost: UInt64
        /// Further counters, by name.
        public var counters: [(name: String, value: UInt64)]

        /// Makes a source.
        public init(
            name: String, mode: String, received: UInt64 = 0, lost: UInt64 = 0,
            counters: [(name: String, value: UInt64)] = []
        ) {
            self.name = name
            self.mode = mode
            self.received = received
            self.lost = lost
            self.counters = counters
        }
    }

    /// The part of a machine that a restricted daemon watches.
    public struct Scope: Hashable, Sendable {
        /// The name of the network namespace whose sockets it keeps to; `nil` for the machine's own.
        public var netns: String?
        /// The control group, below the root, that records are kept of; `nil` for all.
        public var cgroup: String?

        /// Makes a scope; without restrictions that of the whole host.
        public init(netns: String? = nil, cgroup: String? = nil) {
            self.netns = netns
            self.cgroup = cgroup
        }

        /// Whether nothing is left out.
        public var isWhole: Bool { netns == nil && cgroup == nil }
    }

    /// How many lines follow, so that a dump that was cut off is recognized.
    public struct Contents: Sendable, Equatable {
        /// Lines of type `dependency`.
        public var dependencies: UInt64
        /// Lines of type `gap`.
        public var gaps: UInt64
        /// Lines of type `process`.
        public var processes: UInt64
        /// Lines of type `tombstone`.
        public var tombstones: UInt64

        /// Makes the numbers.
        public init(
            dependencies: UInt64 = 0, gaps: UInt64 = 0, processes: UInt64 = 0, tombstones: UInt64 = 0
        ) {
            self.dependencies = dependencies
            self.gaps = gaps
            self.processes = processes
            self.tombstones = tombstones
        }

        /// All lines behind the header, up to the largest number there is.
        var total: UInt64 {
            dependencies.addingUpToMaximum(gaps).addingUpToMaximum(processes).addingUpToMaximum(tombstones)
        }
    }

    /// By which whoever follows the changes knows which lines are new.
    public struct Changes: Sendable, Equatable {
        /// Whatever has changed up to this number is in the dump.
        public var current: UInt64
        /// Of what went at a later change, every tombstone is there.
        public var tombstonesAfter: UInt64
        /// What distinguishes these numbers from those of other records; `nil` where the writer has nothing to do so.
        public var numbering: UInt64?
        /// Whatever changed in this run of the daemon has a greater number.
        public var runAfter: UInt64?

        /// Makes the numbers.
        public init(
            current: UInt64, tombstonesAfter: UInt64, numbering: UInt64? = nil, runAfter: UInt64? = nil
        ) {
            self.current = current
            self.tombstonesAfter = tombstonesAfter
            self.numbering = numbering
            self.runAfter = runAfter
        }
    }

    /// `nil` where the writer keeps no changes, or has left lines out.
    public var changes: Changes?
    /// How many lines follow; `nil` where the writer did not say. A ledger that writes itself sets it.
    public var contents: Contents?
    /// When the dump was asked for, nanoseconds since 1970.
    public var time: UInt64 = 0
    /// The machine id (/etc/machine-id), or what stands in for it; for a network namespace
    /// `MACHINE-ID/NAME`.
    public var hostID: String = ""
    /// The host's name.
    public var hostName: String = ""
    /// The host's addresses, loopback left out.
    public var addresses: [NetworkAddress] = []
    /// The kernel's release.
    public var kernel: String = ""
    /// The boot id (/proc/sys/kernel/random/boot_id).
    public var boot: String = ""
    /// The daemon's version.
    public var version: String = ""
    /// When the daemon started, nanoseconds since 1970.
    public var started: UInt64 = 0
    /// What the daemon was restricted to.
    public var scope = Scope()
    /// The sources.
    public var sources: [Source] = []

    /// Makes an empty header.
    public init() {}
}
