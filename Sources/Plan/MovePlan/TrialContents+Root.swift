import Glibc
public import SystemCalls

/// What is done in a root beside copying: folders and files that are made, and what a trial has left there.
extension TrialContents {
    /// What has to be done for a root that was filled before, and used since, to hold this and nothing else.
    public struct Renewal: Equatable, Sendable {
        /// What does not belong there, or was changed: to be removed, whole.
        public var gone: [[UInt8]] = []
        /// What has to be copied, each behind the folders above it.
        public var missing: [[UInt8]] = []
    }

    /// Compares a root with what belongs there.
    ///
    /// A change shows in the time of the last change of the inode (`st_ctime`), which no program can set.
    ///
    /// - Parameters:
    ///   - place: where the root lies.
    ///   - time: when it had been filled, by the clock of its filesystem.
    public func renewal(of place: String, filledAt time: timespec) -> Renewal {
        let made = HostTree(place)
        let copied = Set(paths)
        let wanted = copied.union(folders)
        var renewal = Renewal()
        var kept: Set<[UInt8]> = []
        var waiting: [[UInt8]] = [[UInt8(ascii: "/")]]
        while let folder = waiting.popLast() {
            for name in made.names(in: folder) {
                let path = (folder.count == 1 ? [] : folder) + [UInt8(ascii: "/")] + name
                guard let status = made.status(path) else { continue }
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                let isChanged =
                    (status.st_ctim.tv_sec, status.st_ctim.tv_nsec) >= (time.tv_sec, time.tv_nsec)
                let isFolderHere = tree.status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? true
                guard wanted.contains(path), !isChanged || (isFolder && isFolderHere && copied.contains(path))
                else {
                    renewal.gone.append(path)
                    continue
                }
                // The owner, mode and times of a folder are copied again, what is in it stands for itself.
                if !isChanged { kept.insert(path) }
                if isFolder { waiting.append(path) }
            }
        }
        var missing = copied.subtracting(kept)
        for path in missing { missing.formUnion(path.ancestors) }
        renewal.gone.sort { $0.lexicographicallyPrecedes($1) }
        renewal.missing = missing.sorted { $0.lexicographicallyPrecedes($1) }
        return renewal
    }

    /// Makes the empty folders, and the files that name the accounts and the host itself.
    ///
    /// Links on the way are followed inside of the root: `/var/run` of the root is never this machine's `/run`.
    public func makeOwn(in place: String) throws(SystemError) {
        let made = HostTree(place)
        for path in [Array("/etc".utf8)] + folders where made.status(path) == nil {
            guard let name = made.name(of: path) else { continue }
            // What the host has there, or leads to.
            let status = tree.way(path).end.flatMap { tree.status($0) }
            name.withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) { bytes in
                    guard mkdir(bytes.baseAddress!, 0o755) == 0, let status else { return }
                    chown(bytes.baseAddress!, status.st_uid, status.st_gid)
                    chmod(bytes.baseAddress!, status.st_mode & 0o7777)
                }
            }
        }
        for (name, text) in [("passwd", passwd), ("group", group), ("hosts", hosts)] {
            guard let path = made.name(of: Array("/etc/\(name)".utf8)) else { continue }
            let file = try FileDescriptor.open(
                bytes: path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o644)
            fchmod(file.number, 0o644)
            var rest = text[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(file.number, $0.baseAddress, $0.count) }
                guard count > 0 else { throw SystemError("write", code: errno) }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// Everything in a root, each behind the folders above it, but for what ldconfig(8) keeps for itself: that holds numbers
    /// and times of files.
    public static func listing(of place: String) -> [[UInt8]] {
        let made = HostTree(place)
        let cache = Array("/var/cache/ldconfig/aux-cache".utf8)
        var found: [[UInt8]] = []
        var waiting: [[UInt8]] = [[UInt8(ascii: "/")]]
        while let folder = waiting.popLast() {
            for name in made.names(in: folder) {
                let path = (folder.count == 1 ? [] : folder) + [UInt8(ascii: "/")] + name
                guard path != cache, let status = made.status(path) else { continue }
                found.append(path)
                if status.st_mode & S_IFMT == S_IFDIR { waiting.append(path) }
            }
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }
}
