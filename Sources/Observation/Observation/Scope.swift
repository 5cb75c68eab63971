import Records

/// The part of a machine that an observer keeps to; without restrictions all of it.
///
/// The kernel's sources report the whole machine. What lies outside is followed all the same, so that it
/// can be named as the other end of something inside, and leaves no records.
public struct Scope: Sendable {
    /// The network namespace whose sockets count, by its inode; `nil` for every one.
    public var network: UInt64?
    /// The control group whose programs, and those of the groups below it, get records; its path below
    /// the root, without a slash at either end. `nil` for every program.
    public var workload: [UInt8]?

    /// Makes a scope.
    public init(network: UInt64? = nil, workload: [UInt8]? = nil) {
        self.network = network
        self.workload = workload
    }

    /// Whether a program that runs in this control group gets records.
    public func contains(workload: [UInt8]) -> Bool {
        guard let group = self.workload else { return true }
        guard workload.starts(with: group) else { return false }
        return workload.count == group.count || workload[group.count] == UInt8(ascii: "/")
    }
}

/// Which network namespace an image was in, as far as that is known.
struct NetworkPlace: Equatable {
    /// The namespace's inode; 0 where nothing is known.
    var inode: UInt64 = 0
    /// Whether it was read of this very image, or of the one that it was forked from. After an exec that
    /// nobody could look at, the namespace of the image before is only likely: `setns` comes before exec.
    var isRead = false

    static let unknown = NetworkPlace()

    /// The namespace where it is certain, else 0.
    var known: UInt64 { isRead ? inode : 0 }

    /// What was read of an image.
    init(read inode: UInt64) {
        self.inode = inode
        isRead = true
    }

    init() {}

    /// The same for an image that came by an exec and could not be looked at.
    var carriedOver: NetworkPlace {
        var place = self
        place.isRead = false
        return place
    }
}

extension Observer {
    /// Whether a program gets records.
    mutating func isRecorded(_ program: ProgramID) -> Bool {
        if isOwn(program) { return false }
        guard scope.workload != nil else { return true }
        if let known = recorded[program] { return known }
        let isRecorded = scope.contains(workload: ledger.texts.array(ledger[program].workload))
        recorded[program] = isRecorded
        return isRecorded
    }
}
