import CLinux
public import Wire

/// One event, as offsets into the bytes that were read: nothing is copied.
public struct FanotifyEvent: Sendable {
    /// What happened.
    public var mask: FanotifyMask
    /// The process (thread group) that did it, in the pid namespace of the group's creator; 0 if it
    /// is not visible there.
    public var pid: Int32
    /// In descriptor mode an open descriptor of the object, which the receiver must close, or a negative `errno`:
    /// why the object could not be opened (`FAN_REPORT_FD_ERROR`, Linux 6.13). Else -1 (`FAN_NOFD`).
    public var descriptor: Int32
    /// Identity of the parent directory, or of the directory itself where `mask` has `directory` and
    /// `name` is `.`; for a rename that of the old parent. Empty if not reported.
    ///
    /// The bytes are `fsid` (8), then a `struct file_handle`: `handle_bytes` (4), `handle_type` (4),
    /// `f_handle`. From the ninth on they are what open_by_handle_at(2) takes.
    public var directory: Range<Int>
    /// Name in that directory, without its NUL.
    public var name: Range<Int>
    /// Identity of the object itself, in the same form; empty if not reported.
    public var target: Range<Int>
    /// For a rename: identity of the new parent directory.
    public var newDirectory: Range<Int>
    /// For a rename: the new name.
    public var newName: Range<Int>

    /// Walks over the events in `bytes` from `start` to their end, calling `body` with each.
    ///
    /// Never trusts a length: an event or record that is too short or reaches past its container ends
    /// the walk with an error, after the events before it were delivered.
    public static func parse(
        _ bytes: RawSpan, from start: Int = 0, _ body: (FanotifyEvent) -> Void
    ) throws(WireError) {
        // struct fanotify_event_metadata: event_len u32, vers u8, reserved u8, metadata_len u16,
        // mask u64, fd i32, pid i32.
        let metadataSize = 24
        var offset = start
        while offset < bytes.byteCount {
            let length = Int(try bytes.integer(at: offset, as: UInt32.self))
            let metadataLength = Int(try bytes.integer(at: offset + 6, as: UInt16.self))
            guard length >= metadataSize, metadataLength >= metadataSize, metadataLength <= length else {
                throw .malformed(offset: offset)
            }
            let end = try bytes.end(of: length, from: offset)
            let version = try bytes.integer(at: offset + 4, as: UInt8.self)
            guard version == UInt8(FANOTIFY_METADATA_VERSION) else { throw .malformed(offset: offset + 4) }
            var event = FanotifyEvent(
                mask: FanotifyMask(rawValue: try bytes.integer(at: offset + 8)),
                pid: try bytes.integer(at: offset + 20), descriptor: try bytes.integer(at: offset + 16),
                directory: 0..<0, name: 0..<0, target: 0..<0, newDirectory: 0..<0, newName: 0..<0)
            try event.readInformation(bytes, offset + metadataLength..<end)
            body(event)
            offset = end
        }
    }

    private mutating func readInformation(_ bytes: RawSpan, _ range: Range<Int>) throws(WireError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            // struct fanotify_event_info_header: info_type u8, pad u8, len u16.
            guard range.upperBound - offset >= 4 else { throw .truncated(offset: offset) }
            let type = try bytes.integer(at: offset, as: UInt8.self)
            let length = Int(try bytes.integer(at: offset + 2, as: UInt16.self))
            guard length >= 4 else { throw .malformed(offset: offset) }
            guard length <= range.upperBound - offset else { throw .truncated(offset: offset) }
            let end = offset + length
            switch Int32(type) {
            case FAN_EVENT_INFO_TYPE_FID:
                target = try Self.identity(bytes, offset + 4, end)
            case FAN_EVENT_INFO_TYPE_DFID, FAN_EVENT_INFO_TYPE_DFID_NAME, FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
                directory = try Self.identity(bytes, offset + 4, end)
                name = try Self.name(bytes, directory.upperBound, end)
            case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
                newDirectory = try Self.identity(bytes, offset + 4, end)
                newName = try Self.name(bytes, newDirectory.upperBound, end)
            default: break  // A kind of record that a later kernel added.
            }
            offset = end
        }
    }

    /// fsid (8), handle_bytes u32, handle_type i32, f_handle.
    private static func identity(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(WireError) -> Range<Int> {
        guard end - start >= 16 else { throw .truncated(offset: start) }
        let size = try bytes.integer(at: start + 8, as: UInt32.self)
        guard size <= UInt32(end - start - 16) else { throw .truncated(offset: start + 8) }
        return start..<start + 16 + Int(size)
    }

    /// Bytes up to the first NUL: the record is padded to a multiple of four. No kernel gives a name with a `/`, which
    /// would make two paths of one.
    private static func name(_ bytes: RawSpan, _ start: Int, _ end: Int) throws(WireError) -> Range<Int> {
        var stop = start
        while stop < end {
            let byte = try bytes.integer(at: stop, as: UInt8.self)
            if byte == 0 { break }
            if byte == UInt8(ascii: "/") { throw .malformed(offset: stop) }
            stop += 1
        }
        return start..<stop
    }
}

/// Bits of an event or of a mark (`FAN_*`, fanotify_mark(2)).
public struct FanotifyMask: OptionSet, Hashable, Sendable {
    /// The kernel's bits.
    public let rawValue: UInt64
    /// Makes a mask from the kernel's bits.
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// A file or directory was opened (`FAN_OPEN`). Carries no open flags.
    public static let open = FanotifyMask(rawValue: clinux_FAN_OPEN)
    /// A file was opened in order to be executed (`FAN_OPEN_EXEC`, Linux 5.0); comes with `open`.
    public static let openExec = FanotifyMask(rawValue: clinux_FAN_OPEN_EXEC)
    /// The last descriptor of a writable open file description was closed (`FAN_CLOSE_WRITE`).
    public static let closeWrite = FanotifyMask(rawValue: clinux_FAN_CLOSE_WRITE)
    /// A name was made in a directory (`FAN_CREATE`, Linux 5.1).
    public static let create = FanotifyMask(rawValue: clinux_FAN_CREATE)
    /// A name was moved (`FAN_RENAME`, Linux 5.17): old and new directory and name in one event.
    public static let rename = FanotifyMask(rawValue: clinux_FAN_RENAME)
    /// The object is a directory (`FAN_ONDIR`).
    public static let directory = FanotifyMask(rawValue: clinux_FAN_ONDIR)
    /// Events were lost before this one (`FAN_Q_OVERFLOW`).
    public static let overflow = FanotifyMask(rawValue: clinux_FAN_Q_OVERFLOW)

    /// A bit that no mark of Retinue's has (`FAN_ACCESS`).
    static let neverObserved = FanotifyMask(rawValue: UInt64(FAN_ACCESS))

    /// What Retinue asks of a filesystem whose objects have file handles.
    ///
    /// Nothing that prices every read, write or close: `FAN_ACCESS`, `FAN_MODIFY` and
    /// `FAN_CLOSE_NOWRITE` stay out. `create` and `rename` keep the directory tree exact.
    public static let observed: FanotifyMask = [.open, .openExec, .closeWrite, .create, .rename, .directory]

    /// What it asks where there are no file handles, so that events carry descriptors.
    public static let observedByDescriptor: FanotifyMask = [.open, .openExec, .closeWrite, .directory]
}
