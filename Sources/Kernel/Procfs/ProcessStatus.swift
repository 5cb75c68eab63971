/// What /proc/PID/stat tells of a process.
public struct ProcessStatus: Equatable, Sendable {
    /// The parent process.
    public var parent: Int32
    /// Start, in clock ticks since boot.
    public var startTicks: UInt64
    /// Whether it is a kernel thread (`PF_KTHREAD` in `flags`).
    public var isKernelThread: Bool
    /// The state letter (`Z` is a zombie).
    public var state: UInt8

    /// Reads the line. The name in its second field may hold blanks and parentheses: the fields behind
    /// it start after the *last* closing parenthesis.
    public init?(parsing bytes: [UInt8]) {
        guard let close = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(close + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // state ppid pgrp session tty tpgid flags …, starttime is the 20th behind the name.
        guard fields.count >= 20, let state = fields[0].first,
            let parent = Int32(String(decoding: fields[1], as: UTF8.self)),
            let flags = UInt32(String(decoding: fields[6], as: UTF8.self)),
            let start = UInt64(String(decoding: fields[19], as: UTF8.self))
        else { return nil }
        self.state = state
        self.parent = parent
        isKernelThread = flags & 0x0020_0000 != 0
        startTicks = start
    }
}
