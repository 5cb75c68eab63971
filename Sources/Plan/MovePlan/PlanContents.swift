import Glibc

/// What a plan copies of a host, name by name.
public struct PlanContents {
    private let plan: HostPlan
    private let tree: HostTree
    private let isLive: Bool

    /// - Parameters:
    ///   - root: where the host's files lie on this machine.
    ///   - isLive: whether the running processes come too. They do not make anew what programs make when they start
    ///     (`postmaster.pid`, locks), and may look whether it is there: it is copied as well.
    public init(_ plan: HostPlan, root: String, isLive: Bool = false) {
        self.plan = plan
        self.isLive = isLive
        tree = HostTree(root)
    }

    /// The paths that are there now, each behind the folders above it.
    ///
    /// - Parameter treatment: only what is copied so; `nil` for both copies.
    public func paths(_ treatment: Treatment? = nil) -> [[UInt8]] {
        let others = Dictionary(
            plan.entries.filter {
                $0.treatment == .leave || $0.treatment == .package
                    || $0.treatment == .makeAnew && !isRuntimeFile($0.path)
            }
            .map { ($0.path, $0) }
        ) { first, _ in first }
        var found: Set<[UInt8]> = []
        for entry in plan.entries
        where entry.treatment == .preCopy || entry.treatment == .finalCopy
            || entry.treatment == .makeAnew && entry.kind != .folder && isRuntimeFile(entry.path)
        {
            guard treatment == nil || entry.treatment == treatment, tree.status(entry.path) != nil else {
                continue
            }
            found.insert(entry.path)
            if entry.kind == .tree { addContents(of: entry.path, except: others, to: &found) }
        }
        return found.sorted(by: PathOrder.precedes)
    }

    /// The paths that are there now, but those of some that have not changed since a moment, by `st_ctime`, which no program
    /// can set.
    ///
    /// - Parameter time: by the clock of the host's filesystems (CLOCK_REALTIME_COARSE).
    public func paths(_ treatment: Treatment, except copied: Set<[UInt8]>, changedSince time: timespec)
        -> [[UInt8]]
    {
        paths(treatment).filter { path in
            guard copied.contains(path), let status = tree.status(path) else { return true }
            return (status.st_ctim.tv_sec, status.st_ctim.tv_nsec) >= (time.tv_sec, time.tv_nsec)
        }
    }

    /// What packages of languages have: paths that the destination gets with these, and that are there now.
    public func pathsOfPackages() -> [[UInt8]] {
        var found: Set<[UInt8]> = []
        for entry in plan.entries where entry.treatment == .package && tree.status(entry.path) != nil {
            found.insert(entry.path)
            if entry.kind == .tree { addContents(of: entry.path, except: [:], to: &found) }
        }
        return found.sorted(by: PathOrder.precedes)
    }

    /// Bytes of a regular file; `nil` where it is none, or is gone.
    public func bytes(of path: [UInt8]) -> UInt64? {
        guard let status = tree.status(path), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return UInt64(max(status.st_size, 0))
    }

    /// Whether a file that programs make anew comes with them. Sockets and pipes are made by what restores the processes, and
    /// shared memory is a part of theirs.
    private func isRuntimeFile(_ path: [UInt8]) -> Bool {
        guard isLive, !path.starts(with: "/dev/".utf8), let status = tree.status(path) else { return false }
        return [S_IFREG, S_IFDIR, S_IFLNK].contains(status.st_mode & S_IFMT)
    }

    private func addContents(
        of folder: [UInt8], except others: [[UInt8]: PlannedEntry], to found: inout Set<[UInt8]>
    ) {
        guard let top = tree.status(folder) else { return }
        var waiting = [folder]
        while let next = waiting.popLast() {
            for name in tree.names(in: next) {
                let path = next + [UInt8(ascii: "/")] + name
                // What a rule keeps here is kept wherever a program has made it since.
                guard others[path] == nil, let status = tree.status(path) else { continue }
                if let rule = StayBehind.rule(for: path) {
                    guard rule.treatment == .makeAnew, isRuntimeFile(path) else { continue }
                }
                switch status.st_mode & S_IFMT {
                case S_IFSOCK: continue
                case S_IFDIR where status.st_dev == top.st_dev: waiting.append(path)
                default: break
                }
                found.insert(path)
            }
        }
    }
}

extension HostPlan {
    /// The plan without what lies in some folders, which the destination has by itself.
    public func leaving(_ folders: [[UInt8]]) -> HostPlan {
        guard !folders.isEmpty else { return self }
        var plan = self
        for index in plan.entries.indices
        where folders.contains(where: { plan.entries[index].path.isBelow($0) }) {
            plan.entries[index].treatment = .leave
        }
        let known = Set(plan.entries.map(\.path))
        for folder in folders where !known.contains(folder) {
            // A tree above it has all that is in it.
            plan.entries.append(
                PlannedEntry(folder, .tree, .leave, .implied, reason: "the destination has it as well"))
        }
        plan.entries.sort { $0.path.lexicographicallyPrecedes($1.path) }
        return plan
    }

    /// Leaves out what no record has, and says how much that is.
    public mutating func dropLikely() {
        let likely = entries.count { $0.ground == .likely }
        guard likely > 0 else { return }
        entries.removeAll { $0.ground == .likely }
        unknown.append("\(likely) entries that are likely, but that no record has, were left out")
    }
}
