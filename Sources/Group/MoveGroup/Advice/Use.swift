import Records

/// A way to use a system that decides how lightly a program can be isolated, with how far it reaches.
public struct Use: Hashable, Comparable, Sendable {
    /// What is used.
    public var kind: Kind
    /// Who is at the other end.
    public var reach: Reach

    /// Makes a use.
    public init(_ kind: Kind, _ reach: Reach = .own) {
        self.kind = kind
        self.reach = reach
    }

    /// In the order of outputs.
    public static func < (left: Use, right: Use) -> Bool {
        (left.kind.rawValue, left.reach.rawValue) < (right.kind.rawValue, right.reach.rawValue)
    }

    /// What is used, in the order of outputs.
    public enum Kind: UInt8, Sendable, CaseIterable {
        /// An address on which a member waits.
        case listen
        /// A connection that a member makes.
        case connect
        /// A connection that a member takes.
        case accept
        /// A Unix socket at a path, or a pair of them.
        case unix
        /// A Unix socket with an abstract name (unix(7)), which belongs to the network namespace.
        case abstractUnix
        /// A named pipe.
        case fifo
        /// A pipe.
        case pipe
        /// System V shared memory.
        case shm
        /// A System V semaphore set.
        case sem
        /// A System V message queue.
        case msg
        /// POSIX shared memory or a named semaphore: a file in /dev/shm.
        case posixShm
        /// A POSIX message queue.
        case mqueue
        /// A device that containers are commonly given by name: /dev/kvm, /dev/dri, /dev/nvidia0.
        case device
        /// Any other device that is hardware or the kernel itself: /dev/mem, /dev/ttyS0.
        case hardware
        /// A disk as a whole, past its filesystems.
        case disk
        /// A module of the kernel that is loaded or removed.
        case module
        /// A setting of the kernel that all of the host shares, written.
        case setting
        /// A setting of the network (/proc/sys/net, /sys/class/net), written: each network namespace has
        /// its own.
        case networkSetting
        /// The host's name, written: each UTS namespace has its own.
        case hostName
        /// Limits of System V IPC or POSIX message queues, written: each IPC namespace has its own.
        case ipcSetting
        /// Limits of user namespaces, written.
        case userSetting
        /// The tree of control groups, in /sys/fs/cgroup.
        case controlGroup
        /// Processes looked at in /proc.
        case processes
        /// What the kernel tells in /proc/sys and /sys, read.
        case kernelView
        /// A program started.
        case spawn
    }

    /// Who is at the other end, in the order of outputs.
    public enum Reach: UInt8, Sendable, CaseIterable {
        /// Nobody else takes part.
        case own
        /// Members on the same host alone; for the network: over loopback.
        case inside
        /// Members, reached by an address of a host.
        case group
        /// Who shares it is not known.
        case unknown
        /// Programs or hosts that are not in the group, or anybody.
        case outside
    }
}

extension Use.Kind {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .listen: "listen"
        case .connect: "connect"
        case .accept: "accept"
        case .unix: "unix"
        case .abstractUnix: "abstract-unix"
        case .fifo: "fifo"
        case .pipe: "pipe"
        case .shm: "shm"
        case .sem: "sem"
        case .msg: "msg"
        case .posixShm: "posix-shm"
        case .mqueue: "mqueue"
        case .device: "device"
        case .hardware: "hardware"
        case .disk: "disk"
        case .module: "module"
        case .setting: "setting"
        case .networkSetting: "network-setting"
        case .hostName: "host-name"
        case .ipcSetting: "ipc-setting"
        case .userSetting: "user-setting"
        case .controlGroup: "control-group"
        case .processes: "processes"
        case .kernelView: "kernel-view"
        case .spawn: "spawn"
        }
    }

    /// Whether each object of this kind has a program at its other end.
    var isShared: Bool { rawValue <= Self.mqueue.rawValue }

    init(_ mechanism: Mechanism, name: [UInt8]) {
        switch mechanism {
        // The daemon writes the NUL of an abstract name as ss(8) does.
        case .unix: self = name.first == UInt8(ascii: "@") || name.first == 0 ? .abstractUnix : .unix
        case .fifo: self = .fifo
        case .pipe: self = .pipe
        case .shm: self = .shm
        case .sem: self = .sem
        case .msg: self = .msg
        case .posixShm: self = .posixShm
        case .mqueue: self = .mqueue
        }
    }
}

extension Use.Reach {
    /// The word in outputs.
    public var word: StaticString {
        switch self {
        case .own: "own"
        case .inside: "inside"
        case .group: "group"
        case .unknown: "unknown"
        case .outside: "outside"
        }
    }
}
