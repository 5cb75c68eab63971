import CLinux
import Glibc
public import SystemCalls

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

    private struct File {
        var entry: FileEntry
        var table: BlockTable
        /// As it was when it was left here.
        var identity: FileIdentity?
        /// Blocks that were written and not read again yet.
        var unread: Set<Int> = []
        var descriptor: Int32 = -1
        var wasOpened = false
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

    private let channel: any FrameChannel
    private let place: String
    private var root: RootFolder
    private let own: [UInt8]?
    private let owners: OwnerMap
    private var files: [[UInt8]: File] = [:]
    private var folders: [[UInt8]: FileEntry] = [:]
    private var offered: Set<[UInt8]> = []
    /// What was done.
    public private(set) var figures = Figures()
    /// Called from time to time while it works.
    public var onProgress: (Figures) -> Void = { _ in }

    /// - Parameters:
    ///   - root: the folder that is filled.
    ///   - own: where this host's own files lie, to be taken where they are equal; `nil` to take none.
    public init(
        over channel: any FrameChannel, root: String, own: String? = "/", owners: OwnerMap = OwnerMap()
    ) throws(SystemError) {
        self.channel = channel
        place = root
        self.root = try RootFolder(root)
        self.own = own.map { $0 == "/" ? [] : Array($0.utf8) }
        self.owners = owners
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
                    folders[path] = nil
                    offered.remove(path)
                }
            case .roundEnd:
                if try packet.integer(UInt8.self) == 1 { try removeOthers() }
                try settleFolders()
                do throws(SystemError) { try root.sync() } catch { throw .file(Array(place.utf8), error) }
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
            if entry.kind != .folder { folders[entry.path] = nil }
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

    private static func target(_ folder: Int32, _ name: UnsafePointer<CChar>) throws(SystemError) -> [UInt8] {
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

    // MARK: A file

    private func prepare(_ entry: FileEntry, _ remembered: BlockHash?) throws(TransferError) -> FileNeed {
        if let file = files[entry.path] {
            let now = root.status(entry.path).map(FileIdentity.init)
            if let remembered, now == file.identity, file.table.root == remembered {
                files[entry.path]?.entry = entry
                return .asRemembered
            }
            files[entry.path] = nil
        }
        var file = File(entry: entry, table: BlockTable())
        if let status = root.status(entry.path) {
            // One that has further names would change these with it.
            if status.st_mode & S_IFMT != S_IFREG || status.st_nlink > 1 {
                try root.remove(entry.path)
            } else {
                file.table = try table(of: entry.path)
            }
        }
        if file.table.size == 0, entry.size > 0, try takeOwn(entry) {
            file.table = try table(of: entry.path)
            figures.taken += file.table.size
        }
        files[entry.path] = file
        guard file.table.size > 0, BlockTable.blocks(file.table.size) < Frame.mostBytes / 20 else {
            files[entry.path]?.table = BlockTable()
            return .whole
        }
        return .patch(file.table)
    }

    /// The table of a file that is there, read anew.
    private func table(of path: [UInt8]) throws(TransferError) -> BlockTable {
        let number = try root.open(path, O_RDONLY)
        defer { close(number) }
        guard let identity = FileIdentity(descriptor: number) else { throw .file(path, SystemError("fstat")) }
        var table = BlockTable(size: identity.size, hashes: [])
        try BlockReader.read(number, size: identity.size) { piece throws(TransferError) in
            if let failure = piece.failure { throw .file(path, failure) }
            table.hashes += piece.hashes
        }
        guard table.hashes.count == BlockTable.blocks(table.size) else { return BlockTable() }
        return table
    }

    /// Copies this host's own file of that path and size; by reference where the filesystem can (copy_file_range(2)).
    private func takeOwn(_ entry: FileEntry) throws(TransferError) -> Bool {
        guard let own,
            let file = try? FileDescriptor.open(
                bytes: own + entry.path + [0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
            let identity = FileIdentity(descriptor: file.number), identity.size == entry.size
        else { return false }
        let to = try root.open(entry.path, O_RDWR | O_CREAT | O_TRUNC)
        defer { close(to) }
        var rest = identity.size
        while rest > 0 {
            let count = clinux_copy_file_range(file.number, to, min(rest, 1 << 30))
            if count <= 0 { break }
            rest -= UInt64(count)
        }
        if rest == 0 { return true }
        // Between filesystems of other kinds the kernel does not copy.
        guard ftruncate(to, 0) == 0, lseek(to, 0, SEEK_SET) == 0, lseek(file.number, 0, SEEK_SET) == 0 else {
            return false
        }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(file.number, &buffer, buffer.count)
            if count <= 0 { return count == 0 }
            guard Glibc.write(to, &buffer, count) == count else {
                throw .file(entry.path, SystemError("write"))
            }
        }
    }

    private func file(_ index: Int, _ entries: [FileEntry]) throws(TransferError) -> [UInt8] {
        guard entries.indices.contains(index), entries[index].kind == .file else {
            throw .malformed("a file's number")
        }
        return entries[index].path
    }

    private func openFile(_ path: [UInt8]) throws(TransferError) -> Int32 {
        guard let file = files[path] else { throw .malformed("a file that was not offered") }
        if file.descriptor >= 0 { return file.descriptor }
        let number = try root.open(path, O_RDWR | O_CREAT)
        files[path]!.descriptor = number
        files[path]!.wasOpened = true
        return number
    }

    private func takeBlocks(_ packet: inout PacketReader, _ entries: [FileEntry]) throws(TransferError) {
        let path = try file(Int(try packet.integer(UInt32.self)), entries)
        let first = Int(clamping: try packet.integer(UInt64.self))
        let count = Int(try packet.integer(UInt32.self))
        let size = try packet.integer(UInt64.self)
        let isZero = try packet.integer(UInt8.self) == 1
        guard size < 1 << 62, count > 0, count <= 1 << 20, first <= BlockTable.blocks(size) - count else {
            throw .malformed("blocks beyond the end of a file")
        }
        var hashes: [BlockHash] = []
        for _ in 0..<count { hashes.append(try packet.hash()) }
        let descriptor = try openFile(path)
        let block = BlockTable.blockSize(size)
        let start = UInt64(first) * UInt64(block)
        let length = min(UInt64(count) * UInt64(block), size - start)
        resize(path, to: size)
        if isZero {
            // Where holes cannot be punched, zeros are written.
            if clinux_fallocate(descriptor, clinux_PUNCH_HOLE, start, length) != 0 {
                try write(descriptor, path, [UInt8](repeating: 0, count: Int(length))[...], start)
            }
        } else {
            let bytes = try packet.raw(Int(try packet.integer(UInt32.self)))
            guard UInt64(bytes.count) <= length, bytes.count > (count - 1) * block else {
                throw .malformed("bytes of blocks")
            }
            for position in 0..<count {
                let from = bytes.startIndex + position * block
                let part = bytes[from..<min(from + block, bytes.endIndex)]
                guard part.withUnsafeBytes({ BlockHash($0) }) == hashes[position] else {
                    throw .differs(path)
                }
            }
            try write(descriptor, path, bytes, start)
            figures.received += UInt64(bytes.count)
            onProgress(figures)
        }
        for position in 0..<count {
            files[path]!.table.hashes[first + position] = hashes[position]
            files[path]!.unread.insert(first + position)
        }
    }

    /// Makes the table that of a file of another size; blocks that are not known have no hash of a block.
    private func resize(_ path: [UInt8], to size: UInt64) {
        let old = files[path]!.table
        guard old.size != size else { return }
        var hashes = BlockTable.blockSize(old.size) == BlockTable.blockSize(size) ? old.hashes : []
        let count = BlockTable.blocks(size)
        if hashes.count > count { hashes.removeLast(hashes.count - count) }
        hashes.reserveCapacity(count)
        while hashes.count < count { hashes.append(BlockHash(high: 0, low: 0)) }
        files[path]!.table = BlockTable(size: size, hashes: hashes)
        files[path]!.unread = files[path]!.unread.filter { $0 < count }
    }

    private func write(
        _ descriptor: Int32, _ path: [UInt8], _ bytes: ArraySlice<UInt8>, _ start: UInt64
    ) throws(TransferError) {
        var failure: SystemError?
        bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = pwrite(
                    descriptor, bytes.baseAddress! + offset, bytes.count - offset,
                    off_t(start) + off_t(offset))
                if count < 0 && errno == EINTR { continue }
                if count <= 0 {
                    failure = SystemError("pwrite", code: count == 0 ? ENOSPC : errno)
                    return
                }
                offset += count
            }
        }
        if let failure { throw .file(path, failure) }
    }

    private func endFile(_ packet: inout PacketReader, _ entries: [FileEntry]) throws(TransferError) {
        let index = Int(try packet.integer(UInt32.self))
        let path = try file(index, entries)
        guard try packet.integer(UInt8.self) == 1 else {
            // It is gone, or somebody else's by now: the next round has what is there then.
            if let file = files[path], file.descriptor >= 0 { close(file.descriptor) }
            files[path] = nil
            return
        }
        let size = try packet.integer(UInt64.self)
        let hash = try packet.hash()
        let descriptor = try openFile(path)
        defer {
            close(descriptor)
            files[path]?.descriptor = -1
        }
        resize(path, to: size)
        guard files[path]!.table.root == hash else { throw .differs(path) }
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw .file(path, SystemError("ftruncate")) }
        try settle(files[path]!.entry, descriptor)
        files[path]!.identity = FileIdentity(descriptor: descriptor)
    }

    // MARK: Owner, mode, times

    private func settle(_ entry: FileEntry, _ descriptor: Int32?) throws(TransferError) {
        let owned = try root.withParent(of: entry.path) { folder, name throws(SystemError) in
            _ = try systemCall("fchownat") {
                fchownat(folder, name, entry.user, entry.group, AT_SYMLINK_NOFOLLOW)
            }
            // After the owner: a change of that takes set-user-ID and capabilities away.
            if entry.kind != .link {
                _ = try systemCall("fchmodat") { fchmodat(folder, name, mode_t(entry.mode), 0) }
            }
            let lost = Self.setAttributes(entry, folder, name)
            let time = timespec(
                tv_sec: Int(entry.modified / 1_000_000_000), tv_nsec: Int(entry.modified % 1_000_000_000))
            var times = [timespec(tv_sec: 0, tv_nsec: Int(clinux_UTIME_OMIT)), time]
            _ = try systemCall("utimensat") { utimensat(folder, name, &times, AT_SYMLINK_NOFOLLOW) }
            return lost
        }
        figures.attributesLost += owned
    }

    /// Sets the attributes, and removes those that are not of it; how many the filesystem does not have.
    private static func setAttributes(_ entry: FileEntry, _ folder: Int32, _ name: UnsafePointer<CChar>)
        -> Int
    {
        guard entry.kind != .link else { return 0 }
        var lost = 0
        // Bytes that are no UTF-8 have to stay what they are.
        let bytes =
            Array("/proc/self/fd/\(folder)/".utf8CString.dropLast())
            + Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        var list = [CChar](repeating: 0, count: 65536)
        let count = llistxattr(bytes, &list, list.count)
        let wanted = Set(entry.attributes.map(\.name))
        for part in list[..<max(count, 0)].split(separator: 0) {
            let attribute = part.map { UInt8(bitPattern: $0) }
            guard !wanted.contains(attribute), !attribute.elementsEqual("security.selinux".utf8) else {
                continue
            }
            lremovexattr(bytes, Array(part) + [0])
        }
        for attribute in entry.attributes {
            let text = attribute.name.map { CChar(bitPattern: $0) } + [0]
            if lsetxattr(bytes, text, attribute.value, attribute.value.count, 0) != 0 { lost += 1 }
        }
        return lost
    }

    /// Folders last: what is made in them changes their times, and one without permission to write is still filled.
    private func settleFolders() throws(TransferError) {
        let sorted = folders.values.sorted { $0.path.count > $1.path.count }
        for entry in sorted {
            if entry.path.count == 1 { continue }
            try settle(entry, nil)
        }
    }

    private func removeOthers() throws(TransferError) {
        let others = root.listing().filter { !offered.contains($0) }.sorted {
            $0.lexicographicallyPrecedes($1)
        }
        var last: [UInt8]?
        for path in others {
            // Its folder is gone already.
            if let last, path.starts(with: last + [UInt8(ascii: "/")]) { continue }
            try root.remove(path)
            last = path
        }
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
