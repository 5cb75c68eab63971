import CLinux
import Glibc
public import SystemCalls

/// A fanotify notification group: marks on filesystems, and a queue of events to read.
///
/// Notification only: no permission events, which can hang a machine. Needs `CAP_SYS_ADMIN`.
/// The corresponding C functions are `fanotify_init` and `fanotify_mark`.
///
/// It may be handed to another thread; one at a time reads.
public struct FanotifyGroup: ~Copyable, @unchecked Sendable {
    private let descriptor: FileDescriptor
    private let mask: FanotifyMask
    /// Where the kernel writes before the bytes that came are appended: nothing is filled with zeros.
    private let scratch: UnsafeMutableRawBufferPointer
    /// Whether an object that cannot be opened comes as an event with the reason (`FAN_REPORT_FD_ERROR`,
    /// Linux 6.13) and does not make the read fail.
    public let reportsOpenErrors: Bool
    /// How many of the waiting events the reader is to take, and `drop` the others, as the kernel does not bound the queue;
    /// `nil` where it does, or where nothing is to.
    public let bound: Int?

    /// How events name their object.
    public enum Mode: Sendable {
        /// By file handle of object and parent directory, and by name
        /// (`FAN_REPORT_DFID_NAME_TARGET`, Linux 5.17): nothing has to be looked up, so an object or
        /// a process that is already gone is named all the same.
        case fileHandle
        /// By an open descriptor, for filesystems without file handles.
        ///
        /// Reading *opens* the object: its filesystem sees a second open and can keep the reader waiting, and
        /// until it is read an event keeps the mount busy.
        case descriptor
    }

    /// Creates a group.
    ///
    /// - Parameters:
    ///   - unlimitedQueue: lifts the limit of waiting events (`FAN_UNLIMITED_QUEUE`, see `queueLimit`); with the
    ///     limit, loss arrives as `FAN_Q_OVERFLOW`.
    ///   - reportingOpenErrors: whether to ask for `FAN_REPORT_FD_ERROR`; tests say no, to meet what an older
    ///     kernel does.
    ///   - bound: of an unlimited queue, see there.
    public init(
        _ mode: Mode, unlimitedQueue: Bool = true, reportingOpenErrors: Bool = true, bound: Int? = nil
    ) throws(SystemError) {
        var flags = UInt32(FAN_CLOEXEC | FAN_NONBLOCK | FAN_CLASS_NOTIF | FAN_UNLIMITED_MARKS)
        if unlimitedQueue { flags |= UInt32(FAN_UNLIMITED_QUEUE) }
        // Everything that can fail comes before the first stored property.
        let number: Int32
        var reportsErrors = false
        switch mode {
        case .fileHandle:
            number = try Self.open(flags | clinux_FAN_REPORT_DFID_NAME_TARGET)
        case .descriptor:
            let asked = reportingOpenErrors ? try? Self.open(flags | clinux_FAN_REPORT_FD_ERROR) : nil
            reportsErrors = asked != nil
            number = if let asked { asked } else { try Self.open(flags) }
        }
        descriptor = FileDescriptor(owning: number)
        reportsOpenErrors = reportsErrors
        self.bound = bound
        // An error behind the first event of a read would be swallowed by the kernel together with its event: where
        // errors do not come as events, events are read one by one.
        let room =
            switch mode {
            case .fileHandle: Self.mostBytes
            case .descriptor: reportsErrors ? 4096 : MemoryLayout<fanotify_event_metadata>.size
            }
        scratch = .allocate(byteCount: room, alignment: 8)
        mask = mode == .fileHandle ? .observed : .observedByDescriptor
    }

    private static func open(_ flags: UInt32) throws(SystemError) -> Int32 {
        let eventFlags = UInt32(O_RDONLY | O_CLOEXEC | O_LARGEFILE | O_NOATIME | O_NONBLOCK)
        return try systemCall("fanotify_init") { clinux_fanotify_init(flags, eventFlags) }
    }

    /// The number to poll.
    public var number: Int32 { descriptor.number }

    /// Marks the whole filesystem that holds `path` (`FAN_MARK_FILESYSTEM`, Linux 4.20): every mount
    /// of it, in every mount namespace.
    ///
    /// Fails with EOPNOTSUPP, ENODEV or EXDEV where the filesystem cannot name its objects by handle.
    public borrowing func mark(filesystemAt path: [UInt8]) throws(SystemError) {
        try marker.mark(filesystemAt: path)
    }

    /// What sets marks of this group, for a thread that may have to wait for a filesystem; to be used no longer than
    /// the group lives.
    public var marker: Marker { Marker(group: number, mask: mask) }

    /// Sets marks of a group.
    public struct Marker: Sendable {
        let group: Int32
        let mask: FanotifyMask

        /// See `FanotifyGroup.mark(filesystemAt:)`.
        ///
        /// - Returns: whether it was not marked before. A device number says nothing of that: the next filesystem in
        ///   memory gets that of the one that has gone.
        @discardableResult
        public func mark(filesystemAt path: [UInt8]) throws(SystemError) -> Bool {
            guard path.last == 0 else { throw SystemError("fanotify_mark", code: EINVAL) }
            return try path.withUnsafeBufferPointer { path throws(SystemError) in
                try path.withMemoryRebound(to: CChar.self) { path throws(SystemError) in
                    let flags = UInt32(FAN_MARK_FILESYSTEM)
                    // To take a bit off a mark that does not have it changes nothing, but where there is no mark it
                    // is refused (ENOENT).
                    let isMarked =
                        clinux_fanotify_mark(
                            group, UInt32(FAN_MARK_REMOVE) | flags, FanotifyMask.neverObserved.rawValue,
                            AT_FDCWD, path.baseAddress!) == 0
                    _ = try systemCall("fanotify_mark") {
                        clinux_fanotify_mark(
                            group, UInt32(FAN_MARK_ADD) | flags, mask.rawValue, AT_FDCWD, path.baseAddress!)
                    }
                    return !isMarked
                }
            }
        }

        /// The same for the filesystem of an open file, which may be an `O_PATH` descriptor: no path is looked up.
        @discardableResult
        public func mark(filesystemOf file: Int32) throws(SystemError) -> Bool {
            try mark(filesystemAt: Array("/proc/self/fd/\(file)".utf8) + [0])
        }
    }

    /// Bytes that one read offers to the kernel.
    private static let mostBytes = 64 << 10

    deinit { scratch.deallocate() }

    /// Reads waiting events, as the kernel lays them out, behind what `buffer` holds.
    ///
    /// In descriptor mode, where `reportsOpenErrors` is false, an error is that of opening the object of one event,
    /// which is thereby gone from the queue: reading goes on behind it. It can be any number, since a FUSE server
    /// chooses it.
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

    /// How many events wait to be read, without reading them (`FIONREAD`). Merged events count as the one that
    /// they were merged into.
    public borrowing func waitingEvents() throws(SystemError) -> Int {
        var bytes: Int32 = 0
        let number = number
        _ = try systemCall("ioctl") { clinux_waiting_bytes(number, &bytes) }
        // The kernel counts 24 bytes for each, whatever it will be when read.
        return Int(bytes) / MemoryLayout<fanotify_event_metadata>.size
    }

    /// Reads the next events and forgets them: what the kernel would have turned away if it had bounded the queue. One
    /// `FAN_Q_OVERFLOW` stands for all, as it does there.
    ///
    /// Not in descriptor mode, where each would be an open file.
    ///
    /// - Parameter count: how many are dropped at least, if so many wait; not many more: reads are as small as they may be.
    /// - Returns: the range of the overflow, or `nil` when no event was waiting.
    public borrowing func drop(
        _ count: Int, appendingTo buffer: inout [UInt8]
    ) throws(SystemError) -> Range<Int>? {
        var left = count
        let least = MemoryLayout<fanotify_event_metadata>.size
        while left > 0 {
            let most = min(scratch.count, max(4096, left * least))
            let room = UnsafeMutableRawBufferPointer(rebasing: scratch[..<most])
            guard let bytes = try descriptor.read(into: room), bytes > 0 else { break }
            var offset = 0
            while offset + least <= bytes {
                let length = Int(room.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                guard length >= least else { break }
                offset += length
                left -= 1
            }
        }
        return left < count ? Self.appendOverflow(to: &buffer) : nil
    }

    /// Appends what the kernel reports of events that it turns away.
    package static func appendOverflow(to buffer: inout [UInt8]) -> Range<Int> {
        var event = fanotify_event_metadata()
        event.event_len = UInt32(MemoryLayout<fanotify_event_metadata>.size)
        event.vers = UInt8(FANOTIFY_METADATA_VERSION)
        event.metadata_len = UInt16(MemoryLayout<fanotify_event_metadata>.size)
        event.mask = FanotifyMask.overflow.rawValue
        event.fd = FAN_NOFD
        let start = buffer.count
        withUnsafeBytes(of: &event) { buffer.append(contentsOf: $0) }
        return start..<buffer.count
    }

    /// How many events may wait in a group whose queue is limited (`fs.fanotify.max_queued_events`; 16,384 unless
    /// somebody set it); `nil` where that cannot be read.
    public static func queueLimit() -> Int? {
        guard let file = try? FileDescriptor.open("/proc/sys/fs/fanotify/max_queued_events", O_RDONLY),
            let bytes = try? file.readAll(limit: 64)
        else { return nil }
        return Int(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}

extension FanotifyGroup {
    /// Creates a group in whose queue so many events may wait; beyond that loss arrives as `FAN_Q_OVERFLOW`.
    ///
    /// The kernel takes the limit of a group from `fs.fanotify.max_queued_events` (Linux 5.13) in the moment in which
    /// the group is made. It is set for this moment and put back; other groups keep theirs.
    ///
    /// Where it cannot be set, as only root may, a group that wants more than the host grants has an unlimited queue and a
    /// `bound` for its reader. While nobody reads, its memory is bounded by that of its maker's control group, which it
    /// is charged to (Linux 4.19). One that wants less has the host's limit.
    ///
    /// - Parameter events: how many events shall be able to wait; set to how many are.
    public static func bounded(_ mode: Mode, events: inout Int) throws(SystemError) -> FanotifyGroup {
        let hosts = queueLimit() ?? defaultQueueLimit
        guard hosts != events else { return try FanotifyGroup(mode, unlimitedQueue: false) }
        guard setQueueLimit(events) else {
            if events > hosts { return try FanotifyGroup(mode, unlimitedQueue: true, bound: events) }
            events = hosts
            return try FanotifyGroup(mode, unlimitedQueue: false)
        }
        defer { _ = setQueueLimit(hosts) }
        return try FanotifyGroup(mode, unlimitedQueue: false)
    }

    /// `FANOTIFY_DEFAULT_MAX_EVENTS`.
    private static var defaultQueueLimit: Int { 16_384 }

    private static func setQueueLimit(_ events: Int) -> Bool {
        guard let file = try? FileDescriptor.open("/proc/sys/fs/fanotify/max_queued_events", O_WRONLY) else {
            return false
        }
        let text = Array("\(events)".utf8)
        return write(file.number, text, text.count) == text.count
    }
}
