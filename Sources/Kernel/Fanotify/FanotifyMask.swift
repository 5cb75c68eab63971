import CLinux

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

    /// What Retinue asks of a filesystem whose objects have file handles.
    ///
    /// Nothing that prices every read, write or close: `FAN_ACCESS`, `FAN_MODIFY` and
    /// `FAN_CLOSE_NOWRITE` stay out. `create` and `rename` keep the directory tree exact.
    public static let observed: FanotifyMask = [.open, .openExec, .closeWrite, .create, .rename, .directory]

    /// What it asks where there are no file handles, so that events carry descriptors.
    public static let observedByDescriptor: FanotifyMask = [.open, .openExec, .closeWrite, .directory]
}
