import CLinux
import Glibc
public import SystemCalls
import Text

/// The destination's side of a transfer: says what it needs of what is offered, and makes it so below a root.
///
/// A file that this host has by itself under the same path is taken from there as far as it is equal.
public final class FileReceiver {
    /// What one did so far.
    public struct Figures: Equatable, Sendable {
        /// Bytes of content that came over the connection.
        public var received: UInt64 = 0
        /// Bytes that were taken from this host's own files.
        public var taken: UInt64 = 0
        /// Bytes that were read again and found equal.
        public var verified: UInt64 = 0
        /// Attributes that the filesystem here does not have.
        public var attributesLost = 0
    }

    struct File {
        var entry: FileEntry
        var table: BlockTable
        /// As it was when it was left here.
        var identity: FileIdentity?
        /// Blocks that were written and not read again yet.
        var unread: Set<Int> = []
        var descriptor: Int32 = -1
        var wasOpened = false
        /// Whether it lies at this host's own path alone, equal, and nothing of it was written here.
        var isPresent = false
    }

    /// What is done about a file that is fetched when it is first touched.
    public struct Placeholders {
        /// A file that was there before, open for reading: what is equal in it need not be fetched.
        public var keep: (_ number: UInt32, _ file: Int32) throws(SystemError) -> Void
        /// The file, sparse, with its size, owner, mode and times, open for writing.
        public var made: (_ number: UInt32, _ entry: FileEntry, _ file: Int32) throws(SystemError) -> Void

        /// Makes them.
        public init(
            keep: @escaping (UInt32, Int32) throws(SystemError) -> Void,
            made: @escaping (UInt32, FileEntry, Int32) throws(SystemError) -> Void
        ) {
            self.keep = keep
            self.made = made
        }
    }

    /// How placeholders are made; `nil` where they are refused.
    public var placeholders: Placeholders?

    /// Whether the last round that ended is to be written to the device by the caller, as the sender asked.
    public private(set) var owesSync = false

    let channel: any FrameChannel
    let place: String
    var root: RootFolder
    let own: [UInt8]?
    /// Whether what this host has by itself, equal, is left there alone.
    private let leavesEqual: Bool
    /// What was left there, as it was when it was looked at.
    public internal(set) var present: [[UInt8]: FileIdentity] = [:]
    let owners: OwnerMap
    var files: [[UInt8]: File] = [:]
    var folders: [[UInt8]: FileEntry] = [:]
    /// Folders in which something was made or removed in this round, or that were offered: their times are set at its end.
    var touched: Set<[UInt8]> = []
    var offered: Set<[UInt8]> = []
    /// What was done.
    public internal(set) var figures = Figures()
    /// Called from time to time while it works.
    public var onProgress: (Figures) -> Void = { _ in }

    /// - Parameters:
    ///   - root: the folder that is filled.
    ///   - own: where this host's own files lie, to be taken where they are equal; `nil` to take none.
    ///   - leavesEqual: whether a file or link that this host has by itself under the same path, with the same content, owner,
    ///     mode and attributes, is not written below the root (`present`).
    public init(
        over channel: any FrameChannel, root: String, own: String? = "/", owners: OwnerMap = OwnerMap(),
        leavesEqual: Bool = false
    ) throws(SystemError) {
        self.channel = channel
        place = root
        self.root = try RootFolder(root)
        self.own = own.map { $0 == "/" ? [] : Array($0.utf8) }
        self.owners = owners
        self.leavesEqual = leavesEqual && own != nil
    }

    /// Takes one round in.
    ///
    /// - Parameter begun: the first frame of it, where it was received already.
    public func receive(begunWith first: Frame? = nil) throws(TransferError) {
        var next = first
        while true {
            let frame: Frame
            if let given = next { frame = given } else { frame = try channel.receive() }
            next = nil
            var packet = PacketReader(frame.payload)
            switch frame.kind {
            case .entries: try takeBatch(&packet)
            case .remove:
                for _ in 0..<(try packet.count(ofAtLeast: 4)) {
                    let path = try packet.string()
                    guard FileEntry.isSound(path), path.count > 1 else {
                        throw .malformed("a path that cannot be")
                    }
                    try root.remove(path)
                    files[path] = nil
                    present[path] = nil
                    folders[path] = nil
                    touched.insert(Self.folder(of: path))
                    offered.remove(path)
                }
            case .roundEnd:
                let end = try packet.integer(UInt8.self)
                if end & 1 != 0 { try removeOthers() }
                try settleFolders()
                owesSync = end & 2 != 0
                if !owesSync {
                    do throws(SystemError) { try root.sync() } catch { throw .file(Array(place.utf8), error) }
                }
                try channel.send(Frame(.roundDone, []))
                try channel.flush()
                return
            default: throw .malformed("\(frame.kind) in a round")
            }
        }
    }

    // MARK: A batch

    private func takeBatch(_ packet: inout PacketReader) throws(TransferError) {
        var entries: [FileEntry] = []
        var needs = PacketWriter()
        let count = try packet.count(ofAtLeast: 40)
        for _ in 0..<count {
            var entry = try FileEntry(from: &packet)
            (entry.user, entry.group) = owners.map(user: entry.user, group: entry.group)
            let mark = try packet.integer(UInt8.self)
            let remembered = mark == 1 ? try packet.hash() : nil
            let number = mark == 3 ? try packet.integer(UInt32.self) : nil
            guard mark < 2 || mark < 4 && entry.kind == .file else { throw .malformed("an offer") }
            offered.insert(entry.path)
            touched.insert(Self.folder(of: entry.path))
            if entry.kind != .folder { folders[entry.path] = nil } else { present[entry.path] = nil }
            if entry.kind != .file { files[entry.path] = nil }
            var need = FileNeed.whole
            switch entry.kind {
            case .folder: try makeFolder(entry)
            case .file where mark >= 2:
                files[entry.path] = nil
                if let number { try makePlaceholder(entry, number) }
            case .file: need = try prepare(entry, remembered)
            default: break
            }
            need.append(to: &needs)
            entries.append(entry)
        }
        try channel.send(Frame(.needs, needs.bytes))
        while true {
            let frame = try channel.receive()
            var packet = PacketReader(frame.payload)
            switch frame.kind {
            case .blocks: try takeBlocks(&packet, entries)
            case .fileEnd: try endFile(&packet, entries)
            case .batchEnd:
                for entry in entries where entry.kind != .file && entry.kind != .folder {
                    try makeOther(entry)
                }
                try channel.send(Frame(.batchDone, []))
                return
            default: throw .malformed("\(frame.kind) in a batch")
            }
        }
    }

    private func makeFolder(_ entry: FileEntry) throws(TransferError) {
        folders[entry.path] = entry
        touched.insert(entry.path)
        guard entry.path.count > 1 else { return }
        if let status = root.status(entry.path) {
            if status.st_mode & S_IFMT == S_IFDIR { return }
            try root.remove(entry.path)
        }
        try root.withParent(of: entry.path) { folder, name throws(SystemError) in
            _ = try systemCall("mkdirat") { mkdirat(folder, name, 0o700) }
        }
    }

    private func makeOther(_ entry: FileEntry) throws(TransferError) {
        present[entry.path] = nil
        if entry.kind == .hardLink, present[entry.target] != nil {
            guard let mine = ownIdentity(entry.path), mine == present[entry.target] else {
                throw .refused(
                    "\(Printable.text(entry.path)) is another name of \(Printable.text(entry.target)), which this host has by itself"
                )
            }
            try root.remove(entry.path)
            present[entry.path] = mine
            return
        }
        if entry.kind != .hardLink, let mine = ownEqual(entry) {
            try root.remove(entry.path)
            present[entry.path] = mine
            return
        }
        if entry.kind == .link, let now = try? root.withParent(of: entry.path, Self.target),
            now == entry.target
        {
            return try settle(entry, nil)
        }
        try root.remove(entry.path)
        if entry.kind == .hardLink {
            let target = entry.target
            let first = try root.open(target, O_PATH | clinux_O_NOFOLLOW)
            defer { close(first) }
            return try root.withParent(of: entry.path) { folder, name throws(SystemError) in
                _ = try systemCall("linkat") {
                    linkat(AT_FDCWD, "/proc/self/fd/\(first)", folder, name, AT_SYMLINK_FOLLOW)
                }
            }
        }
        try root.withParent(of: entry.path) { folder, name throws(SystemError) in
            _ = try systemCall("mknodat") {
                switch entry.kind {
                case .link:
                    return (entry.target.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
                        symlinkat($0.baseAddress!, folder, name)
                    }
                case .pipe: return mknodat(folder, name, S_IFIFO | 0o600, 0)
                case .character: return mknodat(folder, name, S_IFCHR | 0o600, dev_t(entry.device))
                default: return mknodat(folder, name, S_IFBLK | 0o600, dev_t(entry.device))
                }
            }
        }
        try settle(entry, nil)
    }

    static func target(_ folder: Int32, _ name: UnsafePointer<CChar>) throws(SystemError) -> [UInt8] {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = try systemCall("readlinkat") { readlinkat(folder, name, &target, target.count) }
        return target[..<count].map { UInt8(bitPattern: $0) }
    }

    // MARK: A placeholder

    private func makePlaceholder(_ entry: FileEntry, _ number: UInt32) throws(TransferError) {
        guard let placeholders, entry.size > 0, entry.size < 1 << 44 else {
            throw .refused("no placeholders are made here")
        }
        if let status = root.status(entry.path), status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1,
            status.st_size > 0
        {
            let before = FileDescriptor(owning: try root.open(entry.path, O_RDONLY))
            do throws(SystemError) { try placeholders.keep(number, before.number) } catch {
                throw .file(entry.path, error)
            }
        }
        try root.remove(entry.path)
        let file = FileDescriptor(owning: try root.open(entry.path, O_RDWR | O_CREAT | O_EXCL))
        let descriptor = file.number
        do throws(SystemError) {
            _ = try systemCall("ftruncate") { ftruncate(descriptor, off_t(entry.size)) }
        } catch { throw .file(entry.path, error) }
        try settle(entry, descriptor)
        do throws(SystemError) { try placeholders.made(number, entry, descriptor) } catch {
            throw .file(entry.path, error)
        }
    }

    // MARK: What this host has by itself

    /// What lies at this host's own path, where it is what is offered but for its content and times; `nil` where it is not, or
    /// where that is not looked at.
    func ownEqual(_ entry: FileEntry) -> FileIdentity? {
        guard leavesEqual, let own else { return nil }
        var scan = FileScan(root: String(decoding: own, as: UTF8.self))
        guard var found = scan.look(at: entry.path) else { return nil }
        found.entry.modified = entry.modified
        return found.entry == entry ? found.identity : nil
    }

    private func ownIdentity(_ path: [UInt8]) -> FileIdentity? {
        guard let own else { return nil }
        var scan = FileScan(root: String(decoding: own, as: UTF8.self))
        return scan.look(at: path)?.identity
    }

    /// Whether what was left at this host's own paths still is what was compared.
    ///
    /// - Throws: which was changed.
    public func verifyPresent() throws(TransferError) {
        for (path, identity) in present where ownIdentity(path) != identity { throw .differs(path) }
    }

    // MARK: Verification

    /// Reads every block that was written since it was last read, and compares it with what was sent.
    ///
    /// - Returns: bytes that were read.
    public func verify() throws(TransferError) -> UInt64 {
        var bytes: UInt64 = 0
        for path in Array(files.keys) {
            guard let file = files[path], !file.unread.isEmpty else { continue }
            let number = try root.open(path, O_RDONLY)
            defer { close(number) }
            let block = BlockTable.blockSize(file.table.size)
            var buffer = [UInt8](repeating: 0, count: block)
            for index in file.unread.sorted() {
                let length = BlockTable.length(index, of: file.table.size)
                let count = pread(number, &buffer, length, off_t(index) * off_t(block))
                guard count == length,
                    buffer[..<length].withUnsafeBytes({ BlockHash($0) }) == file.table.hashes[index]
                else { throw .differs(path) }
                bytes += UInt64(length)
            }
            files[path]!.unread = []
        }
        figures.verified += bytes
        return bytes
    }
}
