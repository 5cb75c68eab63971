/// A System V object as a line of /proc/sysvipc reports it: a segment of shared memory, a set of semaphores or a
/// queue of messages. See sysvipc(7); the tables are those of the reader's own IPC namespace.
public struct SystemVObject: Equatable, Sendable {
    /// A process that the kernel keeps in mind as having used the object.
    ///
    /// It keeps the number alone: the process may be gone, and its number another's.
    public struct User: Equatable, Sendable {
        /// The process.
        public var pid: Int32
        /// When it had used it at the latest, seconds since 1970.
        public var until: Int64

        /// Makes a user.
        public init(pid: Int32, until: Int64) {
            self.pid = pid
            self.until = until
        }

        /// Whether a process of that number can be the one that is meant.
        ///
        /// - Parameter start: when that process started, seconds since 1970. The kernel's clock of seconds
        ///   lags by up to a tick behind the one that starts are reported in: a second is forgiven.
        public func canBe(startedAt start: Int64) -> Bool { start <= until || start - 1 == until }
    }

    /// The key that it is found by; 0 for a private one and for one that is to go with its last user.
    public var key: UInt32
    /// What the calls name it by, unique among its kind until the next boot.
    public var id: Int32
    /// Segments: processes that have it attached, once for each attachment. Sets: their semaphores. Queues:
    /// the messages in them.
    public var count: UInt64
    /// Segments: creator and last to attach or detach. Queues: last sender and last receiver. Sets: none, see
    /// `lastUse`.
    public var users: [User]
    /// When it was last used, seconds since 1970.
    public var lastUse: Int64

    /// Makes an object.
    public init(key: UInt32, id: Int32, count: UInt64, users: [User], lastUse: Int64) {
        self.key = key
        self.id = id
        self.count = count
        self.users = users
        self.lastUse = lastUse
    }

    /// The name in records: by the key if others can find it by one, else by the id.
    public var name: [UInt8] {
        guard key != 0 else { return Array("id \(id)".utf8) }
        let digits = String(key, radix: 16)
        return Array("key 0x\(String(repeating: "0", count: 8 - digits.utf8.count))\(digits)".utf8)
    }

    /// Reads `/proc/sysvipc/shm`: a line of words for the columns, then one for each segment.
    public static func segments(_ bytes: [UInt8]) -> [SystemVObject] {
        // key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap
        table(bytes, columns: 14) { row in
            guard let creator = row.number(4, Int32.self), let last = row.number(5, Int32.self),
                let attached = row.number(6, UInt64.self), let attachedAt = row.number(11, Int64.self),
                let detachedAt = row.number(12, Int64.self), let changed = row.number(13, Int64.self)
            else { return nil }
            let used = max(attachedAt, detachedAt)
            return (
                attached, [User(pid: creator, until: changed), User(pid: last, until: used)],
                max(used, changed)
            )
        }
    }

    /// Reads `/proc/sysvipc/sem`, in which no process is named.
    public static func semaphoreSets(_ bytes: [UInt8]) -> [SystemVObject] {
        // key semid perms nsems uid gid cuid cgid otime ctime
        table(bytes, columns: 10) { row in
            guard let semaphores = row.number(3, UInt64.self), let operated = row.number(8, Int64.self),
                let changed = row.number(9, Int64.self)
            else { return nil }
            return (semaphores, [], max(operated, changed))
        }
    }

    /// Reads `/proc/sysvipc/msg`.
    public static func messageQueues(_ bytes: [UInt8]) -> [SystemVObject] {
        // key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime
        table(bytes, columns: 14) { row in
            guard let messages = row.number(4, UInt64.self), let sender = row.number(5, Int32.self),
                let receiver = row.number(6, Int32.self), let sent = row.number(11, Int64.self),
                let received = row.number(12, Int64.self)
            else { return nil }
            return (
                messages, [User(pid: sender, until: sent), User(pid: receiver, until: received)],
                max(sent, received)
            )
        }
    }

    /// The lines that have at least so many columns, all of them numbers where they are asked for; other
    /// lines, the heading among them, are left out, and so are users that the kernel does not know (0).
    private static func table(
        _ bytes: [UInt8], columns: Int,
        _ read: (Row) -> (count: UInt64, users: [User], lastUse: Int64)?
    ) -> [SystemVObject] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let row = Row(fields: line.split(separator: UInt8(ascii: " ")))
            // A key is printed as a signed number.
            guard row.fields.count >= columns, let key = row.number(0, Int32.self),
                let id = row.number(1, Int32.self), id >= 0, let rest = read(row)
            else { return nil }
            return SystemVObject(
                key: UInt32(bitPattern: key), id: id, count: rest.count,
                users: rest.users.filter { $0.pid > 0 }, lastUse: rest.lastUse)
        }
    }

    private struct Row {
        let fields: [ArraySlice<UInt8>]

        func number<Number: FixedWidthInteger>(_ position: Int, _: Number.Type) -> Number? {
            Number(String(decoding: fields[position], as: UTF8.self))
        }
    }
}
