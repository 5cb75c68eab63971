import Glibc
public import Procfs
public import Records
import SystemCalls

extension ProcessSettings {
    /// The most that is read of arguments, and of the environment, in bytes.
    public static let readingLimit = 1 << 16

    /// Reads what a process runs with, redacted; `nil` if it is gone.
    ///
    /// Needs `CAP_SYS_PTRACE` for the environment and the working directory of other users' processes; without it they are
    /// left out. A process can keep whoever reads its arguments waiting (userfaultfd(2), a FUSE server): a caller that must
    /// not wait has a thread for it.
    ///
    /// - Parameters:
    ///   - names: what accounts are called.
    ///   - isOwnNamespace: whether a namespace of a kind is the one that needs no mention.
    public init?(
        _ process: borrowing ProcessDirectory, _ names: AccountNames,
        isOwnNamespace: (_ kind: String, _ inode: UInt64) -> Bool = { _, _ in true }
    ) {
        guard let credentials = process.credentials(), let status = process.status(),
            status.state != UInt8(ascii: "Z")
        else { return nil }
        self.init()
        let (arguments, areCut) = Self.strings(process.argumentBytes(limit: Self.readingLimit))
        let (environment, isCut) = Self.strings(process.environmentBytes(limit: Self.readingLimit))
        self.arguments = Self.isTitle(arguments) ? [] : Redaction.arguments(arguments)
        self.environment = Redaction.environment(environment)
        self.isCut = areCut || isCut
        folder = process.workingDirectory() ?? []
        user = Account(credentials.user, name: names.user(credentials.user))
        group = Account(credentials.group, name: names.group(credentials.group))
        groups = credentials.groups.map { Account($0, name: names.group($0)) }
        capabilities = credentials.capabilities
        limits = process.limits().map { Limit($0.resource, soft: $0.soft, hard: $0.hard) }
        nice = status.nice
        killPreference = process.killPreference() ?? 0
        for kind in ProcessDirectory.namespaceKinds {
            guard let inode = process.namespace(kind), !isOwnNamespace(kind, inode) else { continue }
            namespaces[kind] = inode
        }
    }

    /// Whole strings of what was read, and whether there were more.
    private static func strings(_ bytes: [UInt8]) -> (strings: [[UInt8]], isCut: Bool) {
        var strings = ProcessDirectory.splitArguments(bytes)
        let isCut = bytes.count >= readingLimit
        if isCut, bytes.last != 0, !strings.isEmpty { strings.removeLast() }
        return (strings, isCut)
    }

    /// Whether a program has written over its arguments what ps(1) is to show (setproctitle(3)): they are gone then.
    private static func isTitle(_ arguments: [[UInt8]]) -> Bool {
        guard let first = arguments.first else { return true }
        let name = first.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: ":") }
        guard name.count < first.count else { return false }
        // `nginx: master process`, `redis-server *:6379`: words in the place of the name.
        var status = stat()
        return (first + [0]).withUnsafeBufferPointer { bytes in
            bytes.withMemoryRebound(to: CChar.self) { lstat($0.baseAddress!, &status) != 0 }
        }
    }
}
