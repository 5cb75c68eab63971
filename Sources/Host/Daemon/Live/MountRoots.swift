import CLinux
import Fanotify
import Glibc
import Procfs
import Synchronization
import SystemCalls

/// Where each filesystem can be entered, by the `fsid` that its events carry; and what is mounted where.
///
/// Only paths are kept, never descriptors: a descriptor would keep a filesystem from being unmounted. Nothing here
/// asks a filesystem. May be used from any thread.
final class MountRoots: Sendable {
    private struct State {
        var points: [UInt64: [[UInt8]]] = [:]
        var parts: Set<[UInt8]> = []
        var table = MountTable()
        /// Whether the mounts have changed since the table was read.
        var isStale = true
        /// Filesystems that were marked as soon as they were mounted.
        var fresh = 0
        /// The mount points of filesystems that were marked for the first time, by what events call their tops: they may be
        /// gone before their events are interpreted, and the latest are not in the table yet. Oldest first.
        var tops: [(identity: [UInt8], point: [UInt8])] = []
    }

    private static let mostTops = 256

    private let state = Mutex(State())
    /// Mount namespaces with filesystems that this one does not show.
    let others = OtherMountNamespaces()
    /// An open mount table of its own, since a change is reported once for each.
    private let changes: FileDescriptor?

    init() { changes = try? FileDescriptor.open("/proc/self/mountinfo", O_RDONLY) }

    /// The mounts as they were when the table was read last.
    var table: MountTable { state.withLock { $0.table } }

    /// Devices (`st_dev`) of the kernel's views of itself.
    var pseudoDevices: Set<UInt64> { table.pseudoDevices }

    /// Takes in a mount table; the points of filesystems are those that `points` has.
    ///
    /// - Parameters:
    ///   - points: for each `fsid` the mount points of that filesystem, the best first.
    ///   - parts: those points at which not the whole filesystem is mounted.
    func replace(with table: MountTable, points: [UInt64: [[UInt8]]], parts: Set<[UInt8]>) {
        state.withLock { state in
            state.points = points
            // One that is mounted somewhere else by now may have been moved at any time since.
            state.tops.removeAll { top in
                let fsid = top.identity.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
                return points[fsid].map { !$0.contains(top.point) } ?? false
            }
            state.parts = parts
            state.table = table
        }
    }

    /// To be called before the mount table is read anew: what changes from here on makes the new one stale.
    func beginReading() {
        state.withLock { state in
            _ = hasChanged()
            state.isStale = false
        }
    }

    // MARK: New mounts

    /// Has every filesystem that is mounted from here on marked at once, in this mount namespace and in those that are
    /// met; where the kernel does not report mounts (before Linux 6.15) that waits for `FilesystemWatch.refresh`.
    func markAtOnce() {
        guard let reports = others.changes else { return }
        _ = reports.follow(getpid())
        try? reports.start { [self] pids in
            if !pids.isEmpty {
                // Whoever mounted something elsewhere may have done it here too, by propagation.
                markNew()
                others.mounted(pids)
            }
            others.lookAgain()
        }
    }

    /// Marks what can be marked by its path without asking anybody; the rest waits for the look at the mount table that
    /// the same mount causes.
    private func markNew() {
        guard let marker = others.filesystems.marker, let mounts = try? Mount.all() else { return }
        let table = MountTable(mounts)
        for mount in mounts.reversed() where mount.kind == .local && !mount.type.elementsEqual("overlay".utf8)
        {
            guard table.place(of: mount.point)?.isForeign == false,
                (try? marker.mark(filesystemAt: mount.point + [0])) == true
            else { continue }
            noteFresh(at: mount.point)
            state.withLock { $0.fresh += 1 }
        }
    }

    /// Remembers where a local filesystem is mounted that was just marked.
    func noteFresh(at point: [UInt8]) {
        guard let top = Self.top(point + [0]) else { return }
        state.withLock { state in
            state.tops.removeAll { $0.identity == top.identity }
            if state.tops.count >= Self.mostTops { state.tops.removeFirst() }
            state.tops.append((top.identity, point))
        }
    }

    /// The mount point of a filesystem that was marked of late, by what events call its top.
    func point(ofTop identity: [UInt8]) -> [UInt8]? {
        state.withLock { state in state.tops.last { $0.identity == identity }?.point }
    }

    /// How many filesystems were marked so, since this was last asked.
    func takeFresh() -> Int {
        state.withLock { state in
            defer { state.fresh = 0 }
            return state.fresh
        }
    }

    /// Whether every path leads to a local filesystem at this moment, symbolic links included: then files may be
    /// looked at as anybody would. One system call.
    var isAllLocal: Bool {
        state.withLock { state in
            if state.table.hasForeign || state.isStale { return false }
            state.isStale = hasChanged()
            return !state.isStale
        }
    }

    private func hasChanged() -> Bool {
        let number: Int32
        switch changes {
        case .some(let table): number = table.number
        case .none: return true
        }
        var waiting = pollfd(fd: number, events: Int16(POLLPRI), revents: 0)
        return poll(&waiting, 1, 0) != 0
    }

    /// Whether a part of a filesystem is mounted at a point; see `FileAccess.Entrance.isPart`.
    func isPart(_ point: [UInt8]) -> Bool { state.withLock { $0.parts.contains(point) } }

    /// Mount points of a filesystem, the best first.
    func points(of fsid: UInt64) -> [[UInt8]] { state.withLock { $0.points[fsid] ?? [] } }

    /// What events call the directory that a NUL-terminated path leads to, on a local filesystem; `nil` if it cannot be
    /// named so.
    static func top(_ path: [UInt8]) -> (fsid: UInt64, identity: [UInt8])? {
        guard let directory = try? FileDescriptor.open(bytes: path, O_PATH | O_DIRECTORY),
            let fsid = fsid(ofDescriptor: directory.number),
            let handle = DirectoryResolver.handle(of: directory)
        else { return nil }
        return (fsid, withUnsafeBytes(of: fsid) { Array($0) } + handle.bytes)
    }

    /// `f_fsid` of the filesystem of an open file (fstatfs(2)); `nil` if it is not known. Asks the filesystem.
    static func fsid(ofDescriptor descriptor: Int32) -> UInt64? {
        var status = statfs()
        guard fstatfs(descriptor, &status) == 0 else { return nil }
        return withUnsafeBytes(of: &status.f_fsid) { $0.loadUnaligned(as: UInt64.self) }
    }
}
