import Glibc

/// What a plan's host has to hold at the destination: what is brought there, and what is made there.
public struct MoveContents {
    /// Paths to be brought, without links on the way to them, each behind the folders above it.
    public private(set) var paths: [[UInt8]] = []
    /// Folders that are made empty, with owner and mode.
    public private(set) var folders: [Folder] = []
    /// Small files that are written there, by path.
    public private(set) var files: [(path: [UInt8], text: [UInt8])] = []
    /// What could not be found out, a sentence each.
    public private(set) var remarks: [String] = []
    private let plan: HostPlan
    private let root: String
    private let isLive: Bool
    /// What does not change while programs run: what packages have, and what every system has; in order.
    private var fixed: [[UInt8]] = []

    /// A folder that is made.
    public struct Folder: Equatable, Sendable {
        /// Its path.
        public var path: [UInt8]
        /// Numbers of its owner and group, and its permissions.
        public var user: UInt32
        /// See `user`.
        public var group: UInt32
        /// See `user`.
        public var mode: UInt32

        /// Makes one.
        public init(path: [UInt8], user: UInt32, group: UInt32, mode: UInt32) {
            (self.path, self.user, self.group, self.mode) = (path, user, group, mode)
        }
    }

    /// For a root of its own: packages, what the plan copies, and what every system has.
    ///
    /// - Parameters:
    ///   - root: where the host's files lie on this machine.
    ///   - isLive: whether the running processes come too, with the files that they have made since they started.
    public init(ofRootFor plan: HostPlan, root: String, isLive: Bool = false) {
        let contents = TrialContents(plan, root: root)
        let tree = HostTree(root)
        (self.plan, self.root, self.isLive) = (plan, root, isLive)
        remarks = contents.remarks
        let own = Set(PlanContents(plan, root: root, isLive: isLive).paths())
        fixed = Self.straight(contents.paths.filter { !own.contains($0) }, tree)
        renew()
        let brought = Set(paths)
        for path in contents.folders {
            let place = tree.way(path).end ?? path
            guard !brought.contains(place) else { continue }
            let status = tree.status(place)
            folders.append(
                Folder(
                    path: place, user: status?.st_uid ?? 0, group: status?.st_gid ?? 0,
                    mode: UInt32(status?.st_mode ?? 0o755) & 0o7777))
        }
        folders.sort { $0.path.lexicographicallyPrecedes($1.path) }
        let accounts = TrialContents.accounts(plan.renumbered, tree)
        files = [("passwd", accounts.passwd), ("group", accounts.group), ("hosts", contents.hosts)].map {
            (Array("/etc/\($0.0)".utf8), $0.1)
        }
    }

    /// For a host that has the packages: what the plan copies.
    public init(ofFilesFor plan: HostPlan, root: String) {
        let tree = HostTree(root)
        (self.plan, self.root, isLive) = (plan, root, false)
        // Those of languages are nobody's but the program's own.
        fixed = Self.straight(PlanContents(plan, root: root).pathsOfPackages(), tree)
        renew()
        for entry in plan.entries where entry.treatment == .makeAnew && entry.kind == .folder {
            guard let status = tree.status(entry.path) else { continue }
            folders.append(
                Folder(
                    path: entry.path, user: status.st_uid, group: status.st_gid,
                    mode: UInt32(status.st_mode) & 0o7777))
        }
    }

    /// Looks again for what the plan copies: programs make files, and remove them.
    public mutating func renew() {
        // While the programs are stopped, too: what was in order before is not sorted again.
        let copied = PlanContents(plan, root: root, isLive: isLive).paths()
        paths = PathOrder.merged(fixed, Self.straight(copied, HostTree(root)))
    }

    /// Paths by way of no link: a folder that is a link here would be made a folder there.
    private static func straight(_ paths: [[UInt8]], _ tree: HostTree) -> [[UInt8]] {
        var ways: [[UInt8]: HostTree.Way] = [:]
        var found: Set<[UInt8]> = []
        for path in paths where path.count > 1 {
            let folder = path.parent
            let way = ways[folder] ?? tree.way(folder)
            ways[folder] = way
            guard let end = way.end else { continue }
            let place = (end.count == 1 ? [] : end) + [UInt8(ascii: "/")] + path.lastName
            found.insert(place)
            found.formUnion(way.links)
            for link in way.links { found.formUnion(link.ancestors) }
            found.formUnion(place.ancestors)
        }
        return found.sorted(by: PathOrder.precedes)
    }
}
