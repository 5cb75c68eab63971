import Glibc
import SystemCalls

/// What /proc/PID/fdinfo/N reports of particular kinds of descriptors (proc_pid_fdinfo(5)).
public struct DescriptorTraits: Equatable, Sendable {
    /// Of `/dev/ptmx` the number of its terminal, `/dev/pts/N` (Linux 4.14).
    public var terminal: Int32?
    /// Of a descriptor of a process (pidfd_open(2)) the process; -1 where it has ended, 0 where it is in another pid namespace.
    public var process: Int32?
    /// Of a fanotify group: whether it marks whole filesystems (`FAN_MARK_FILESYSTEM`).
    public var marksFilesystems = false

    /// Reads lines `tty-index:`, `Pid:` and `fanotify sdev:`.
    public init(parsing bytes: [UInt8]) {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if line.starts(with: "tty-index:".utf8) {
                terminal = Self.number(line.dropFirst(10))
            } else if line.starts(with: "Pid:".utf8) {
                process = Self.number(line.dropFirst(4))
            } else if line.starts(with: "fanotify sdev:".utf8) {
                marksFilesystems = true
            }
        }
    }

    private static func number(_ text: ArraySlice<UInt8>) -> Int32? {
        let digits = text.drop { $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: " ") }
        return Int32(String(decoding: digits, as: UTF8.self))
    }
}

extension ProcessDirectory {
    /// What is reported of a descriptor of a particular kind; `nil` if it is gone.
    public borrowing func traits(descriptor: Int32) -> DescriptorTraits? {
        contents("fdinfo/\(descriptor)", limit: 1 << 20).map(DescriptorTraits.init(parsing:))
    }
}
