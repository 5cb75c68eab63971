import CLinux
import Glibc
import SystemCalls

/// The blocks of a file: which are needed, and where they go.
extension FileReceiver {
    func prepare(_ entry: FileEntry, _ remembered: BlockHash?) throws(TransferError) -> FileNeed {
        if let file = files[entry.path] {
            let now = root.status(entry.path).map(FileIdentity.init)
            // What is not here is not given another owner or mode.
            let isUsable = !file.isPresent || ownEqual(entry) != nil && ownEqual(entry) == present[entry.path]
            if let remembered, now == file.identity, isUsable, file.table.root == remembered {
                files[entry.path]?.entry = entry
                return .asRemembered
            }
            files[entry.path] = nil
            present[entry.path] = nil
        }
        var file = File(entry: entry, table: BlockTable())
        if let mine = ownEqual(entry), let table = try? ownTable(of: entry.path) {
            try root.remove(entry.path)
            (file.table, file.isPresent) = (table, true)
            present[entry.path] = mine
        }
        if !file.isPresent, let status = root.status(entry.path) {
            // One that has further names would change these with it.
            if status.st_mode & S_IFMT != S_IFREG || status.st_nlink > 1 {
                try root.remove(entry.path)
            } else {
                file.table = try table(of: entry.path)
            }
        }
        if file.table.size == 0, entry.size > 0, !file.isPresent, try takeOwn(entry.path, size: entry.size) {
            file.table = try table(of: entry.path)
            figures.taken += file.table.size
        }
        files[entry.path] = file
        guard file.table.size > 0, BlockTable.blocks(file.table.size) < Frame.mostBytes / 20 else {
            if files[entry.path]?.isPresent != true { files[entry.path]?.table = BlockTable() }
            return .whole
        }
        return .patch(file.table)
    }

    /// The table of a file that is there, read anew.
    func table(of path: [UInt8]) throws(TransferError) -> BlockTable {
        let number = try root.open(path, O_RDONLY)
        defer { close(number) }
        return try BlockTable(of: number, path) ?? BlockTable()
    }

    /// The table of this host's own file.
    private func ownTable(of path: [UInt8]) throws(TransferError) -> BlockTable {
        guard let file = FileSender.open((own ?? []) + path) else { throw .file(path, SystemError("open")) }
        guard let table = try BlockTable(of: file.number, path) else { throw .differs(path) }
        return table
    }

    /// Copies this host's own file of that path and size; by reference where the filesystem can (copy_file_range(2)).
    func takeOwn(_ path: [UInt8], size: UInt64) throws(TransferError) -> Bool {
        guard let own,
            let file = try? FileDescriptor.open(
                bytes: own + path + [0], O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
            let identity = FileIdentity(descriptor: file.number), identity.size == size
        else { return false }
        let to = try root.open(path, O_RDWR | O_CREAT | O_TRUNC)
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
                throw .file(path, SystemError("write"))
            }
        }
    }

    func file(_ index: Int, _ entries: [FileEntry]) throws(TransferError) -> [UInt8] {
        guard entries.indices.contains(index), entries[index].kind == .file else {
            throw .malformed("a file's number")
        }
        return entries[index].path
    }

    func openFile(_ path: [UInt8]) throws(TransferError) -> Int32 {
        guard let file = files[path] else { throw .malformed("a file that was not offered") }
        if file.descriptor >= 0 { return file.descriptor }
        if file.isPresent {
            // It is another one after all: what is equal in it need not come.
            files[path]!.isPresent = false
            present[path] = nil
            if file.table.size > 0 {
                guard try takeOwn(path, size: file.table.size), try table(of: path) == file.table else {
                    throw .differs(path)
                }
                figures.taken += file.table.size
            }
        }
        let number = try root.open(path, O_RDWR | O_CREAT)
        files[path]!.descriptor = number
        files[path]!.wasOpened = true
        return number
    }

    func takeBlocks(_ packet: inout PacketReader, _ entries: [FileEntry]) throws(TransferError) {
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
    func resize(_ path: [UInt8], to size: UInt64) {
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

    func write(
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

    func endFile(_ packet: inout PacketReader, _ entries: [FileEntry]) throws(TransferError) {
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
        if let file = files[path], file.isPresent, file.table.size == size, file.table.root == hash { return }
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
}
