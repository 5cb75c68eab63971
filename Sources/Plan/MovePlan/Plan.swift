/// Everything that has to be at the destination for a group to run there, and what is done with each of it
/// (`retinue-plan/1`, docs/plan-format.md).
public struct Plan: Equatable, Sendable {
    /// The word by which the format is recognised.
    public static let schema = "retinue-plan/1"

    /// What the plan was made for, as it was typed.
    public var program: String
    /// When it was made, nanoseconds since 1970.
    public var made: UInt64
    /// One for each host that has members, in the order of their ids.
    public var hosts: [HostPlan]

    /// Makes a plan.
    public init(program: String, made: UInt64, hosts: [HostPlan]) {
        self.program = program
        self.made = made
        self.hosts = hosts
    }
}

/// What moves of one host.
public struct HostPlan: Equatable, Sendable {
    /// What records name the host by.
    public var id: String
    /// Its name; empty if no record states it.
    public var name = ""
    /// From when to when it was observed, nanoseconds since 1970; 0 where no record states it.
    public var observed: ClosedRange<UInt64> = 0...0
    /// How many spans of losses the records have.
    public var gaps = 0
    /// How lightly its members can be isolated, and why not more lightly; `nil` if nothing isolates them.
    public var isolation: Isolation?
    /// The member programs.
    public var programs: [PlannedProgram] = []
    /// Packages to be installed at the destination.
    public var packages: [PlannedPackage] = []
    /// Files, folders and links, each path once, in bytewise order.
    public var entries: [PlannedEntry] = []
    /// Users and groups that own what moves or that members run as.
    public var accounts: [PlannedAccount] = []
    /// Units, timers and cron entries that start members.
    public var services: [PlannedService] = []
    /// Addresses on which members wait.
    public var ports: [PlannedPort] = []
    /// Connections to programs that do not move.
    public var endpoints: [PlannedEndpoint] = []
    /// What is not known, a sentence each.
    public var unknown: [String] = []
    /// How what is being written is made consistent; `nil` for the default, `stop`.
    public var consistency: Consistency?
    /// Large files in the order in which members first opened them, as far as it was seen: what is fetched first where programs are
    /// started before their data is there.
    public var firstUsed: [[UInt8]] = []
    /// How it is moved; `nil` where only the command says it.
    public var move: PlannedMove?

    /// A host of which nothing moves yet.
    public init(id: String) { self.id = id }

    /// How members are kept apart from others at the destination.
    public struct Isolation: Equatable, Sendable {
        /// `chroot`, `container` or `machine`.
        public var choice: String
        /// Why nothing lighter; empty where there is nothing lighter.
        public var reasons: [String]

        /// Makes one.
        public init(choice: String, reasons: [String]) {
            self.choice = choice
            self.reasons = reasons
        }
    }
}

/// A program of the group.
public struct PlannedProgram: Equatable, Sendable {
    /// Path of the executable.
    public var executable: [UInt8]
    /// Path of the script that it interprets; empty if it runs none.
    public var script: [UInt8] = []
    /// The control group in which it runs; empty if none is known.
    public var workload: [UInt8] = []
    /// Since when it was observed, nanoseconds since 1970; 0 where no record states it.
    public var since: UInt64 = 0
    /// Whether its start was observed: what it read before is known, then.
    public var isStartObserved = false
    /// Whether it is a tool or a launcher, beyond which nothing was followed.
    public var isStop = false
    /// When it starts, from 1: after all of lower numbers, over all hosts of the plan, since it connects to some of them. They are
    /// stopped the other way round. `nil` for tools and launchers.
    public var order: Int?
    /// What its processes have had written; `nil` where nothing was read of them.
    public var writes: PlannedWrites?
    /// What it runs with; `nil` where it did not run when the plan was made, or not on that machine.
    public var process: PlannedProcess?
    /// Why it belongs to the group.
    public var reason = ""

    /// A program of which the executable is known.
    public init(executable: [UInt8]) { self.executable = executable }

    /// What programs are sorted by.
    var key: [UInt8] { executable + [0] + script + [0] + workload }
}

/// What a program writes: as much is to be copied again for each second that a copy takes.
public struct PlannedWrites: Equatable, Sendable {
    /// Bytes that its living processes have had written to storage since they started (`write_bytes`, proc_pid_io(5)).
    public var bytes: UInt64
    /// Seconds that the eldest of them has lived.
    public var seconds: UInt64

    /// Makes one.
    public init(bytes: UInt64, seconds: UInt64) { (self.bytes, self.seconds) = (bytes, seconds) }

    /// Bytes a second, on average.
    public var rate: UInt64 { bytes / max(1, seconds) }
}

/// A package to be installed at the destination.
public struct PlannedPackage: Equatable, Sendable {
    /// Whose packages: `debian`, `rpm`; of languages `python`, `npm`, `gem`.
    public var system: String
    /// As the package manager knows it.
    public var name: String
    /// The version that is installed here.
    public var version: String
    /// Of a language: the folder into which it is installed (`site-packages`, the folder of `node_modules`, `GEM_HOME`).
    public var folder: [UInt8]?
    /// Of a language: where it comes from, if not from where the language has its packages.
    public var source: String?
    /// Of npm: the digest of its archive (Subresource Integrity), which a lock file asks for.
    public var integrity: String?
    /// Of a language: whether its files are copied with the rest, so that it need not be installed.
    public var isCopied = false
    /// The member's file that needs it, and how many more do.
    public var reason: String

    /// What packages of languages are sorted by.
    var key: [UInt8] { Array("\(system) \(name) \(version) ".utf8) + (folder ?? []) }

    /// Package managers of systems; the rest are of languages.
    public static let systems = ["debian", "rpm"]
    /// Package managers of languages.
    public static let languages = ["python", "npm", "gem"]

    /// Makes one.
    public init(system: String, name: String, version: String, reason: String) {
        self.system = system
        self.name = name
        self.version = version
        self.reason = reason
    }
}

/// What is done with a file.
public enum Treatment: String, Equatable, Sendable, CaseIterable {
    /// It comes with its package.
    case package
    /// It is copied while the programs run.
    case preCopy = "pre-copy"
    /// It is copied after they have stopped.
    case finalCopy = "final-copy"
    /// The destination, or the program itself, makes another one.
    case makeAnew = "make-anew"
    /// It stays: it belongs to the host.
    case leave
}

/// How it is known that something is needed.
public enum Basis: String, Equatable, Sendable, CaseIterable {
    /// A record says that a member used it.
    case exact, snapshot, inferred
    /// It is needed for a path, an owner or a link of something that is.
    case implied
    /// No record has it: it lies where members have what is theirs, or a configuration names it.
    case likely
}

/// A file, folder or link of the plan.
public struct PlannedEntry: Equatable, Sendable {
    /// What lies there.
    public enum Kind: String, Equatable, Sendable, CaseIterable {
        case file
        /// A folder alone: its owner and mode.
        case folder
        /// A folder with everything in it.
        case tree
        case link
        /// A named pipe, a socket or a device.
        case special
    }

    /// Its absolute path.
    public var path: [UInt8]
    /// What lies there.
    public var kind: Kind
    /// What is done with it.
    public var treatment: Treatment
    /// How it is known.
    public var ground: Basis
    /// Why, in words.
    public var reason: String
    /// A link's target, as it is.
    public var target: [UInt8]?
    /// Bytes of a file, or of all files of a tree.
    public var bytes: UInt64?
    /// Files of a tree, and how many of them no record has.
    public var files: Int?
    /// See `files`.
    public var unopened: Int?
    /// Numbers of its owner and group, and the permissions.
    public var owner: (user: UInt32, group: UInt32, mode: UInt32)?

    /// Makes an entry.
    public init(
        _ path: [UInt8], _ kind: Kind, _ treatment: Treatment, _ ground: Basis, reason: String
    ) {
        self.path = path
        self.kind = kind
        self.treatment = treatment
        self.ground = ground
        self.reason = reason
    }

    /// Whether all is equal.
    public static func == (left: Self, right: Self) -> Bool {
        (left.path, left.kind, left.treatment, left.ground, left.reason) == (
            right.path, right.kind, right.treatment, right.ground, right.reason
        )
            && (left.target, left.bytes, left.files, left.unopened) == (
                right.target, right.bytes, right.files, right.unopened
            ) && left.owner?.user == right.owner?.user && left.owner?.group == right.owner?.group
            && left.owner?.mode == right.owner?.mode
    }
}

/// A user or group that has to be there.
public struct PlannedAccount: Equatable, Sendable {
    /// Whether it is a user; else a group.
    public var isUser: Bool
    /// Its name; empty where the host has none for the number.
    public var name: String
    /// Its number on this host.
    public var number: UInt32
    /// Its number at the destination, where that is another one; `nil` where it is the same.
    public var destination: UInt32?
    /// Of a user: its group, home and shell.
    public var group: UInt32?
    /// See `group`.
    public var home: [UInt8]?
    /// See `group`.
    public var shell: [UInt8]?

    /// Makes one.
    public init(isUser: Bool, name: String, number: UInt32) {
        self.isUser = isUser
        self.name = name
        self.number = number
    }
}

/// What starts a member.
public struct PlannedService: Equatable, Sendable {
    /// `unit`, `timer` or `cron`.
    public var kind: String
    /// The unit's name, or the table and the line.
    public var name: String
    /// Files that make it up.
    public var files: [[UInt8]]

    /// Makes one.
    public init(kind: String, name: String, files: [[UInt8]]) {
        self.kind = kind
        self.name = name
        self.files = files
    }
}

/// An address on which a member waits.
public struct PlannedPort: Equatable, Sendable {
    /// `tcp:0.0.0.0:80`.
    public var address: String
    /// The member.
    public var program: [UInt8]

    /// Makes one.
    public init(address: String, program: [UInt8]) {
        self.address = address
        self.program = program
    }
}

/// A connection between a member and what does not move.
public struct PlannedEndpoint: Equatable, Sendable {
    /// `tcp:10.0.0.9:5432`.
    public var address: String
    /// The member.
    public var program: [UInt8]
    /// Whether the member connects; else it is connected to.
    public var isOutgoing: Bool
    /// How often it was seen.
    public var count: UInt64

    /// Makes one.
    public init(address: String, program: [UInt8], isOutgoing: Bool, count: UInt64) {
        self.address = address
        self.program = program
        self.isOutgoing = isOutgoing
        self.count = count
    }
}
