import CLinux
import Glibc
import Procfs
import Synchronization
import SystemCalls

/// Opens the roots of mounts, so that their filesystems can be marked, without waiting for any server.
enum MountEntrance {
    /// Why a mount could not be entered.
    enum Obstacle: Error, Equatable {
        /// Another filesystem lies over it, so that its path leads elsewhere; or it is gone.
        case hidden
        /// The way to it passes a server that did not answer in time.
        case noAnswer
        /// The kernel says no.
        case refused(SystemError)
    }

    /// Opens the root of a mount as an `O_PATH` descriptor, to be held for a moment only: it keeps the mount busy.
    static func open(_ mount: Mount, _ table: MountTable, _ calls: BlockingCalls) throws(Obstacle)
        -> FileDescriptor
    {
        let path = mount.point + [0]
        let opened: FileDescriptor
        switch CachedLookup.open(path) {
        case .found(let root): opened = root
        case .absent: throw .hidden
        case .uncached:
            // Asked off the loop where the way, this mount included, is not known to be local.
            let isForeign = table.place(of: mount.point)?.isForeign ?? true
            if isForeign {
                guard let answer = calls.run(UInt64(mount.id), { LateDescriptor(path) }) else {
                    throw .noAnswer
                }
                guard let number = answer.take() else { throw .hidden }
                opened = FileDescriptor(owning: number)
            } else {
                do throws(SystemError) {
                    opened = try FileDescriptor.open(bytes: path, O_PATH)
                } catch { throw .refused(error) }
            }
        }
        // A later mount over this one, or over a directory above it, takes its path.
        if let status = FileStatus(descriptor: opened.number), status.mount != 0,
            status.mount != UInt64(mount.id)
        {
            throw .hidden
        }
        // A copy of the mount, mounted nowhere, so that the mount itself can be unmounted at any time.
        let flags = UInt32(clinux_OPEN_TREE_CLONE) | UInt32(O_CLOEXEC) | UInt32(AT_EMPTY_PATH)
        let copy = clinux_open_tree(opened.number, "", flags)
        return copy >= 0 ? FileDescriptor(owning: copy) : opened
    }

    /// The top of a btrfs, mounted nowhere, whatever part of it is mounted: with it every subvolume can be marked.
    ///
    /// It may be dropped as soon as the mark is set. The corresponding C functions are `fsopen`, `fsconfig` and
    /// `fsmount` (Linux 5.2).
    static func topOfBtrfs(_ mount: Mount) throws(SystemError) -> FileDescriptor {
        let flags = UInt32(clinux_FSOPEN_CLOEXEC)
        let context = FileDescriptor(owning: try systemCall("fsopen") { clinux_fsopen("btrfs", flags) })
        try configure(context, "source", mount.source)
        try configure(context, "subvolid", Array("5".utf8))
        // Asking for a writable mount of a filesystem that is read-only would make it writable.
        if mount.isReadOnlyFilesystem { try configure(context, "ro", nil) }
        let number = context.number
        _ = try systemCall("fsconfig") {
            clinux_fsconfig(number, UInt32(clinux_FSCONFIG_CMD_CREATE), nil, nil, 0)
        }
        let top = try systemCall("fsmount") { clinux_fsmount(number, UInt32(clinux_FSMOUNT_CLOEXEC), 0) }
        return FileDescriptor(owning: top)
    }

    /// Sets a parameter, or a flag where there is no value.
    private static func configure(
        _ context: borrowing FileDescriptor, _ key: String, _ value: [UInt8]?
    ) throws(SystemError) {
        let number = context.number
        let command = UInt32(value == nil ? clinux_FSCONFIG_SET_FLAG : clinux_FSCONFIG_SET_STRING)
        let text = value.map { $0 + [0] }
        _ = try systemCall("fsconfig") {
            guard let text else { return clinux_fsconfig(number, command, key, nil, 0) }
            return text.withUnsafeBytes { clinux_fsconfig(number, command, key, $0.baseAddress, 0) }
        }
    }
}

/// A descriptor that may come when nobody waits for it any more: then it is closed.
final class LateDescriptor: Sendable {
    private let number: Atomic<Int32>

    /// Opens a NUL-terminated path with `O_PATH`.
    init(_ path: [UInt8], relativeTo directory: Int32 = AT_FDCWD, flags: Int32 = 0) {
        number = Atomic(
            path.withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    clinux_openat(directory, $0.baseAddress!, O_PATH | O_CLOEXEC | flags, 0)
                }
            })
    }

    /// Takes over an open descriptor.
    init(owning number: Int32) { self.number = Atomic(number) }

    deinit {
        let left = number.load(ordering: .relaxed)
        if left >= 0 { close(left) }
    }

    /// The descriptor, which is then the caller's; `nil` if it could not be opened.
    func take() -> Int32? {
        let taken = number.exchange(-1, ordering: .relaxed)
        return taken >= 0 ? taken : nil
    }
}
