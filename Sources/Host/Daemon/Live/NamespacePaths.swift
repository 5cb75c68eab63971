import Glibc
import Procfs
import Synchronization
import SystemCalls

/// The mount tables of other mount namespaces, kept for a moment.
final class NamespaceViews: Sendable {
    private struct Known {
        var view: NamespaceView
        /// When the tables were read, `CLOCK_MONOTONIC`, nanoseconds.
        var time: UInt64
    }

    private let own = ProcessDirectory(getpid())?.namespace("mnt")
    private let known = Mutex<[UInt64: Known]>([:])
    /// Namespaces whose tables are kept.
    private static let most = 64
    /// How long a table is believed, nanoseconds.
    private static let age: UInt64 = 1_000_000_000

    /// The other namespace in which a process is; `nil` for this one, and where nobody can say.
    func other(_ process: borrowing ProcessDirectory) -> UInt64? {
        guard let own, let namespace = process.namespace("mnt"), namespace != own else { return nil }
        return namespace
    }

    func view(_ namespace: UInt64, of process: borrowing ProcessDirectory) -> NamespaceView {
        let now = Clock.monotonic()
        if let known = known.withLock({ $0[namespace] }), now < known.time + Self.age { return known.view }
        let view = NamespaceView(process.mounts(), host: (try? Mount.all()) ?? [])
        known.withLock { known in
            if known.count >= Self.most { known.removeAll() }
            known[namespace] = Known(view: view, time: now)
        }
        return view
    }
}

/// Files of processes in other mount namespaces, named as this namespace names them.
///
/// /proc shows such a process's files under the paths that they have in its own namespace: `/usr/sbin/nginx` of a
/// container is not the host's, and fanotify reports it where it lies on the host. So a path is taken for one of this
/// namespace only where both lead to the same file.
extension FileAccess {
    /// The executable of a process, by a path of this namespace; by its name alone, without a `/`, where this namespace
    /// does not show it. `nil` for kernel threads.
    ///
    /// - Parameter namespace: the other namespace in which it is (`NamespaceViews.other`), `nil` for this one.
    func executable(of process: borrowing ProcessDirectory, in namespace: UInt64?) -> [UInt8]? {
        guard let path = process.executable() else { return nil }
        if path == [UInt8(ascii: "/")] { return executableOfDetached(process) }
        guard let namespace, path.first == UInt8(ascii: "/"),
            // What memfd_create(2) makes has no other name anywhere.
            !path.starts(with: "/memfd:".utf8)
        else { return path }
        roots.others.meet(namespace, process)
        guard let file = process.executableStatus() else { return nil }
        return self.path(of: file, seenAs: path, namespace, process)
            ?? path.split(separator: UInt8(ascii: "/")).last.map(Array.init)
    }

    /// The path of an executable that /proc calls `/`: a file that is the top of a mount of its own which is mounted nowhere, as
    /// runtimes make of themselves so that no container can write to them. Whoever started it mostly is the same file.
    private func executableOfDetached(_ process: borrowing ProcessDirectory) -> [UInt8]? {
        guard let file = process.executableStatus() else { return nil }
        var parent = process.status()?.parent
        // The bound is for what changes while it is read.
        for _ in 0..<8 {
            guard let pid = parent, let process = ProcessDirectory(pid), let path = process.executable(),
                process.executableStatus()?.isSameFile(as: file) == true
            else { return nil }
            if path != [UInt8(ascii: "/")] { return executable(of: process, in: namespaces.other(process)) }
            parent = process.status()?.parent
        }
        return nil
    }

    /// The path here of a file that a process has under a path of its own; `nil` if this namespace does not show it.
    func path(_ file: NamedFile, of process: borrowing ProcessDirectory) -> [UInt8]? {
        guard let namespace = namespaces.other(process) else { return file.path }
        return path(of: file.status, seenAs: file.path, namespace, process)
    }

    /// The path here of what a path leads a process to; `nil` if this namespace does not show it.
    func path(_ path: [UInt8], of process: borrowing ProcessDirectory) -> [UInt8]? {
        process.file(named: path, uncached: lookUp).flatMap { self.path($0, of: process) }
    }

    /// The path here of a file that is found open, or mapped, under a path of another namespace.
    func path(
        of file: FileStatus, seenAs path: [UInt8], _ namespace: UInt64, _ process: borrowing ProcessDirectory
    ) -> [UInt8]? {
        if let here = located(path), here.status.isSameFile(as: file) { return here.path }
        for candidate in namespaces.view(namespace, of: process).candidates(for: path) {
            guard let here = located(candidate) else { continue }
            // A file seen through an overlay has the overlay's device, and of one that was copied up the former number.
            if here.status.isSameFile(as: file)
                || here.status.device != file.device && here.status.mode == file.mode
            {
                return here.path
            }
        }
        guard let (mount, inner) = namespaces.view(namespace, of: process).place(of: path) else { return nil }
        return roots.others.filesystems.path(of: inner, on: mount)
    }
}

extension FileStatus {
    fileprivate func isSameFile(as other: FileStatus) -> Bool {
        device == other.device && inode == other.inode
    }
}
