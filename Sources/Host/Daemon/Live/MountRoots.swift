import CLinux
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
    }

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

    /// Whether a part of a filesystem is mounted at a point. The kernel names a directory outside that part by its
    /// path in the filesystem, as if that lay below the point: what it says has to be looked up again.
    func isPart(_ point: [UInt8]) -> Bool { state.withLock { $0.parts.contains(point) } }

    /// Mount points of a filesystem, the best first.
    func points(of fsid: UInt64) -> [[UInt8]] { state.withLock { $0.points[fsid] ?? [] } }

    /// `f_fsid` of the filesystem of an open file (fstatfs(2)); `nil` if it is not known. Asks the filesystem.
    static func fsid(ofDescriptor descriptor: Int32) -> UInt64? {
        var status = statfs()
        guard fstatfs(descriptor, &status) == 0 else { return nil }
        return withUnsafeBytes(of: &status.f_fsid) { $0.loadUnaligned(as: UInt64.self) }
    }
}
