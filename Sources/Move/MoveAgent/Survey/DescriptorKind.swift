import Text

/// What a link of /proc/PID/fd says that a descriptor is (proc_pid_fd(5)).
enum DescriptorKind: Equatable {
    /// By its inode.
    case socket(UInt64)
    case pipe(UInt64)
    /// A file, a folder, a device or a FIFO.
    case path([UInt8])
    /// Something without a file, by its word: `io_uring`.
    case anonymous(String)
    /// Memory that nothing but descriptors and mappings lead to (memfd_create(2)).
    case memory
    /// Memory that the kernel itself does not map (memfd_secret(2), Linux 5.14).
    case secret
    /// A namespace or something else by its word: `net`.
    case other(String)

    init(_ target: [UInt8]) {
        if target.first == UInt8(ascii: "/") {
            if target.starts(with: "/memfd:".utf8) {
                self = .memory
            } else if target == Array("/secretmem (deleted)".utf8) {
                self = .secret
            } else {
                self = .path(target)
            }
            return
        }
        let text = Printable.text(target)
        if let inode = Self.inode(text, "socket:[") {
            self = .socket(inode)
        } else if let inode = Self.inode(text, "pipe:[") {
            self = .pipe(inode)
        } else if text.hasPrefix("anon_inode:") {
            self = .anonymous(text.dropFirst(11).filter { $0 != "[" && $0 != "]" })
        } else {
            self = .other(String(text.prefix { $0 != ":" }))
        }
    }

    private static func inode(_ text: String, _ prefix: String) -> UInt64? {
        guard text.hasPrefix(prefix), text.hasSuffix("]") else { return nil }
        return UInt64(text.dropFirst(prefix.count).dropLast())
    }

    /// What CRIU 4.2 writes down of those without a file; of `inotify` and its like they have what they watch.
    static let kept: Set<String> = [
        "eventfd", "eventpoll", "inotify", "fanotify", "signalfd", "timerfd", "pidfd",
    ]

    /// Whether CRIU opens a character device again: memory's (null, zero, full, random, urandom), terminals, automounts.
    static func isKept(characterDevice major: UInt32, _ minor: UInt32) -> Bool {
        isTerminal(major) || major == 1 || (major, minor) == (10, 235)
    }

    /// Consoles, `/dev/tty` and `/dev/ptmx`, pseudo-terminals.
    static func isTerminal(_ major: UInt32) -> Bool {
        major == 4 || major == 5 || (136...143).contains(major)
    }
}
