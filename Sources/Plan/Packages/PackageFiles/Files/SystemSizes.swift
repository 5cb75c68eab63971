import Glibc
public import Procfs
public import SystemCalls

/// What an image of a whole system has to hold: every file below a root, without what `MountPlan` leaves out.
///
/// Takes as long as looking at every file does: minutes on a large disk. `FilesystemUsage` is the cheap
/// answer to nearly the same question.
public struct SystemWalk: Sendable {
    /// What was measured; directories that could not be listed are in `unreadable`.
    public private(set) var sizes = FileSizes()
    /// Mounts that were not gone into.
    public private(set) var leftOut: [MountPlan.LeftOut] = []
    /// Whether the walk went to its end: false where the caller stopped it.
    public private(set) var isComplete = true

    /// Files between two calls of the progress closure.
    private static let interval = 4096

    /// Walks the tree.
    ///
    /// - Parameters:
    ///   - root: where to start; links in this path are followed.
    ///   - mounts: lines of mountinfo; those of this process by default.
    ///   - progress: is called now and then with what was measured so far; false stops the walk.
    /// - Throws: the failure of the call that cannot find or open `root`, or read mountinfo.
    public init(
        root: String = "/", mounts: [Mount]? = nil, progress: (FileSizes) -> Bool = { _ in true }
    ) throws(SystemError) {
        guard let real = realpath(root, nil) else { throw SystemError("realpath") }
        let start = Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
        free(real)
        let known: [Mount]
        if let mounts { known = mounts } else { known = try Mount.all() }
        let plan = MountPlan(known, root: start)
        leftOut = plan.leftOut
        let closed = Set(plan.leftOut.map(\.point))

        let slash = UInt8(ascii: "/")
        let everywhere = FileRoot("/")
        var meter = FileMeter(root: everywhere)
        meter.add(try everywhere.status(start), isNameKnownOnce: true)
        var open = [start]
        var count = 0
        var isFirst = true
        while let directory = open.popLast() {
            let stream: DirectoryStream
            do throws(SystemError) {
                stream = try DirectoryStream(try everywhere.open(directory, O_DIRECTORY | O_NOFOLLOW))
            } catch {
                if isFirst { throw error }
                // What went between the look at it and now was not to be carried.
                if !FileRoot.isMissing(error) { meter.sizes.unreadable.append(directory) }
                continue
            }
            isFirst = false
            let prefix = directory == [slash] ? directory : directory + [slash]
            while let name = stream.next() {
                let path = prefix + name
                if closed.contains(path) { continue }
                do throws(SystemError) {
                    let kind = meter.add(try stream.status(name), isNameKnownOnce: true)
                    if kind == .directory { open.append(path) }
                } catch {
                    if !FileRoot.isMissing(error) { meter.sizes.unreadable.append(path) }
                }
                count += 1
                if count % Self.interval == 0, !progress(meter.sizes) {
                    sizes = meter.sizes
                    isComplete = false
                    return
                }
            }
        }
        sizes = meter.sizes
    }
}

/// Which of the filesystems mounted below a root an image of the whole system has to carry.
///
/// Pure: made of the lines of mountinfo.
public struct MountPlan: Equatable, Sendable {
    /// Why the files of a mount are not carried.
    public enum Reason: String, Sendable {
        /// The kernel's view of itself (proc, sysfs, cgroup2).
        case pseudo = "a view of the kernel"
        /// Lives in memory and is empty after a start (tmpfs, devtmpfs).
        case memory = "in memory only"
        /// Another host's files (nfs, cifs).
        case remote = "another host's"
        /// Shows files that are on a filesystem that is carried (bind mounts, overlays, squashfs images).
        case repeated = "shows files that are carried already"
    }

    /// A mount that is not carried.
    public struct LeftOut: Equatable, Sendable {
        /// Where it is mounted.
        public var point: [UInt8]
        /// Type of its filesystem.
        public var type: String
        /// Why.
        public var reason: Reason
    }

    /// Mounts below the root that are not carried, in the order of mountinfo.
    public private(set) var leftOut: [LeftOut] = []
    /// Mount points below the root that are carried; the root itself is not named.
    public private(set) var carried: [[UInt8]] = []

    private static let memory: Set<String> = ["tmpfs", "ramfs", "devtmpfs", "rootfs"]
    private static let remote: Set<String> = [
        "9p", "afs", "ceph", "cifs", "coda", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs",
        "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "virtiofs",
    ]
    /// Layers and images that are files themselves, on a filesystem that is walked.
    private static let layered: Set<String> = ["aufs", "fuse.fuse-overlayfs", "overlay", "squashfs", "erofs"]

    /// Plans a walk of `root`, an absolute path free of links.
    public init(_ mounts: [Mount], root: [UInt8]) {
        let base = mounts.last { Self.isBelow(root, $0.point) && Self.isDeepest($0, root, mounts) }
        // What is walked already, by device.
        var walked: [[UInt8]: [Shown]] = [:]
        if let base {
            let inside = Array(root.dropFirst(base.point.count == 1 ? 0 : base.point.count))
            walked[base.device] = [Shown(directory: Self.join(base.root, inside), point: root)]
        }
        // What is mounted last hides what is below it.
        var effective: [[UInt8]: Mount] = [:]
        for mount in mounts where mount.point != root && Self.isBelow(mount.point, root) {
            effective[mount.point] = mount
        }
        // The mount that shows most of a filesystem comes first, so that the others are the repeated ones.
        var reasons: [[UInt8]: Reason] = [:]
        let order = effective.values.sorted {
            ($0.root.count, $0.point.count, $0.id) < ($1.root.count, $1.point.count, $1.id)
        }
        for mount in order {
            if let reason = Self.reason(mount.type) {
                reasons[mount.point] = reason
            } else if walked[mount.device, default: []].contains(where: { $0.hasElsewhere(mount) }) {
                reasons[mount.point] = .repeated
            } else {
                walked[mount.device, default: []].append(Shown(directory: mount.root, point: mount.point))
            }
        }
        for mount in mounts where effective[mount.point] == mount {
            if let reason = reasons[mount.point] {
                leftOut.append(
                    LeftOut(
                        point: mount.point, type: String(decoding: mount.type, as: UTF8.self), reason: reason)
                )
            } else {
                carried.append(mount.point)
            }
        }
    }

    /// A directory of a filesystem, and where it is seen.
    private struct Shown {
        var directory: [UInt8]
        var point: [UInt8]

        /// Whether the files of a mount are seen in here too, at another place. A directory that is mounted
        /// on itself, to be made private or read-only, is seen nowhere else.
        func hasElsewhere(_ mount: Mount) -> Bool {
            guard isBelow(mount.root, directory) else { return false }
            let inside = Array(mount.root.dropFirst(directory.count == 1 ? 0 : directory.count))
            return join(point, inside) != mount.point
        }
    }

    private static func reason(_ type: [UInt8]) -> Reason? {
        if FilesystemKind(type: type) == .pseudo { return .pseudo }
        let type = String(decoding: type, as: UTF8.self)
        if memory.contains(type) { return .memory }
        if remote.contains(type) { return .remote }
        return layered.contains(type) ? .repeated : nil
    }

    private static func isDeepest(_ mount: Mount, _ root: [UInt8], _ mounts: [Mount]) -> Bool {
        !mounts.contains { $0.point.count > mount.point.count && isBelow(root, $0.point) }
    }

    /// Whether `path` is `directory` or lies in it.
    private static func isBelow(_ path: [UInt8], _ directory: [UInt8]) -> Bool {
        if directory == [UInt8(ascii: "/")] { return path.first == UInt8(ascii: "/") }
        guard path.starts(with: directory) else { return false }
        return path.count == directory.count || path[directory.count] == UInt8(ascii: "/")
    }

    private static func join(_ directory: [UInt8], _ inside: [UInt8]) -> [UInt8] {
        if inside.isEmpty || inside == [UInt8(ascii: "/")] { return directory }
        return directory == [UInt8(ascii: "/")] ? inside : directory + inside
    }
}

/// How full the filesystem is that a directory lies on. The corresponding C function is `statvfs`.
///
/// This is no measure of a system: it has all files of that filesystem and its own structures, deleted files
/// that are still open too, and nothing of other filesystems. It costs one call, where a walk costs minutes.
public struct FilesystemUsage: Equatable, Sendable {
    /// Bytes in use: (`f_blocks` - `f_bfree`) times `f_frsize`.
    public var used: UInt64
    /// Bytes of the whole filesystem.
    public var size: UInt64

    /// Asks the filesystem of `directory`.
    public init(of directory: String = "/") throws(SystemError) {
        var answer = statvfs()
        _ = try systemCall("statvfs") { statvfs(directory, &answer) }
        let unit = UInt64(answer.f_frsize)
        let blocks = UInt64(answer.f_blocks)
        used = (blocks - min(blocks, UInt64(answer.f_bfree))) &* unit
        size = blocks &* unit
    }
}
