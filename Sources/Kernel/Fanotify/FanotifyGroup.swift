import CLinux
import Glibc
public import SystemCalls

/// A fanotify notification group: marks on filesystems, and a queue of events to read.
///
/// Notification only: no permission events, which can hang a machine. Needs `CAP_SYS_ADMIN`.
/// The corresponding C functions are `fanotify_init` and `fanotify_mark`.
public struct FanotifyGroup: ~Copyable {
    private let descriptor: FileDescriptor
    private let mask: FanotifyMask
    /// Where the kernel writes before the bytes that came are appended: nothing is filled with zeros.
    private let scratch: UnsafeMutableRawBufferPointer

    /// How events name their object.
    public enum Mode: Sendable {
        /// By file handle of object and parent directory, and by name
        /// (`FAN_REPORT_DFID_NAME_TARGET`, Linux 5.17): nothing has to be looked up, so an object or
        /// a process that is already gone is named all the same.
        case fileHandle
        /// By an open descriptor, for filesystems without file handles.
        case descriptor
    }

    /// Creates a group.
    ///
    /// - Parameter unlimitedQueue: lifts the limit of 16,384 waiting events (`FAN_UNLIMITED_QUEUE`);
    ///   with the limit, loss arrives as `FAN_Q_OVERFLOW`.
    public init(_ mode: Mode, unlimitedQueue: Bool = true) throws(SystemError) {
        var flags = UInt32(FAN_CLOEXEC | FAN_NONBLOCK | FAN_CLASS_NOTIF | FAN_UNLIMITED_MARKS)
        if unlimitedQueue { flags |= UInt32(FAN_UNLIMITED_QUEUE) }
        if mode == .fileHandle { flags |= clinux_FAN_REPORT_DFID_NAME_TARGET }
        let eventFlags = UInt32(O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NOATIME)
        let number = try systemCall("fanotify_init") { clinux_fanotify_init(flags, eventFlags) }
        descriptor = FileDescriptor(owning: number)
        scratch = .allocate(byteCount: Self.mostBytes, alignment: 8)
        mask = mode == .fileHandle ? .observed : .observedByDescriptor
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Marks the whole filesystem that holds `path` (`FAN_MARK_FILESYSTEM`, Linux 4.20): every mount
    /// of it, in every mount namespace.
    ///
    /// Fails with EOPNOTSUPP, ENODEV or EXDEV where the filesystem cannot name its objects by handle.
    public borrowing func mark(filesystemAt path: [UInt8]) throws(SystemError) {
        precondition(path.last == 0)
        let group = number
        let mask = mask.rawValue
        _ = try systemCall("fanotify_mark") {
            path.withUnsafeBufferPointer { path in
                path.withMemoryRebound(to: CChar.self) {
                    clinux_fanotify_mark(
                        group, UInt32(FAN_MARK_ADD | FAN_MARK_FILESYSTEM), mask, AT_FDCWD, $0.baseAddress!)
                }
            }
        }
    }

    /// Bytes that one read offers to the kernel.
    private static let mostBytes = 64 << 10

    deinit { scratch.deallocate() }

    /// Reads waiting events, as the kernel lays them out, behind what `buffer` holds.
    ///
    /// - Parameter chunk: bytes to offer to the kernel, 4,096 to 65,536; an event that does not fit is
    ///   refused with EINVAL.
    /// - Returns: the range of the new bytes, or `nil` when no event was waiting.
    public borrowing func read(
        appendingTo buffer: inout [UInt8], chunk: Int = 64 << 10
    ) throws(SystemError) -> Range<Int>? {
        let room = UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(chunk, scratch.count)])
        guard let count = try descriptor.read(into: room), count > 0 else { return nil }
        let start = buffer.count
        buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: room[..<count]))
        return start..<buffer.count
    }
}
