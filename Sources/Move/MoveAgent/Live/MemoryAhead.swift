import Glibc
import SystemCalls
import Transfer

/// Memory of running processes as criu(8) would write it down, read while they go on: what the image of the stopped ones is the difference from.
///
/// Pages may be changed while they are read, or be gone: the digests say what was read, and only a page that is equal in the end is left
/// out there. It is files of one layout that later rounds write what has changed to, so that those send blocks that differ.
final class MemoryAhead {
    /// Of one process.
    struct Part {
        var process: Members.Process
        /// The number that it has itself, by which images are called.
        var number: Int32
        var map: PageMap
        /// Of each page, in the order of the map; `unknown` where it could not be read.
        var hashes: [BlockHash]
    }

    /// No page has it.
    static let unknown = BlockHash(high: 0, low: 0)
    static let zero = [UInt8](repeating: 0, count: Int(PageMap.page)).withUnsafeBytes { BlockHash($0) }
    /// Where less was written it comes as soon when the processes are stopped.
    static let least: UInt64 = 16 << 20

    let folder: String
    private(set) var parts: [Part] = []
    /// Bytes of all pages.
    let bytes: UInt64

    /// Looks which pages were written by now, and lays empty images out.
    ///
    /// - Returns: `nil` where that is not worth it.
    init?(of processes: [Members.Process], in folder: String) throws(MoveError) {
        self.folder = folder
        Self.remove(folder)
        var bytes: UInt64 = 0
        for process in processes {
            let map = try WrittenMemory.pages(of: process.pid)
            guard !map.runs.isEmpty else { continue }
            let count = map.runs.reduce(0) { $0 + $1.pages }
            bytes += count * PageMap.page
            var named = map
            named.number = UInt64(parts.count + 1)
            parts.append(
                Part(
                    process: process, number: NamespaceNumber.of(process.pid), map: named,
                    hashes: [BlockHash](repeating: Self.unknown, count: Int(count))))
        }
        self.bytes = bytes
        guard bytes >= Self.least else { return nil }
        try needRoom()
        guard mkdir(folder, 0o700) == 0 else {
            throw MoveError("\(folder): \(SystemError.text(of: errno))")
        }
        for part in parts {
            do throws(SystemError) {
                try FileDescriptor.open(
                    "\(folder)/pagemap-\(part.number).img", O_WRONLY | O_CREAT | O_EXCL, mode: 0o600
                ).writeAll(part.map.bytes)
                let pages = try FileDescriptor.open(path(part), O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                    .release()
                defer { close(pages) }
                _ = try systemCall("ftruncate") { ftruncate(pages, off_t(part.hashes.count) * 4096) }
            } catch { throw MoveError("\(folder): \(error)") }
        }
    }

    private func path(_ part: Part) -> String { "\(folder)/pages-\(part.map.number).img" }

    private func needRoom() throws(MoveError) {
        var status = statvfs()
        let parent = String(folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)])
        guard statvfs(parent, &status) == 0 else { return }
        try Self.needRoom(bytes, at: parent, UInt64(status.f_bavail) * UInt64(status.f_frsize))
    }

    /// Half of what is free stays so: files of the programs come to the same place.
    static func needRoom(_ bytes: UInt64, at place: String, _ free: UInt64) throws(MoveError) {
        guard bytes <= free / 2 else {
            throw MoveError(
                "\(place) has \(free) bytes free, and \(bytes) of memory would take more than half")
        }
    }

    /// What names of files it has, as they are sent.
    var paths: [[UInt8]] {
        parts.flatMap { ["/pagemap-\($0.number).img", "/pages-\($0.map.number).img"] }.sorted()
            .map { Array($0.utf8) }
    }

    /// Reads all pages, and writes those that are not what they were when they were last read.
    ///
    /// - Returns: bytes that were written.
    func read(_ progress: TransferProgress) throws(MoveError) -> UInt64 {
        var written: UInt64 = 0
        for index in parts.indices {
            do throws(TransferError) { written += try read(&parts[index], progress) } catch {
                throw MoveError(error)
            }
        }
        return written
    }

    private func read(_ part: inout Part, _ progress: TransferProgress) throws(TransferError) -> UInt64 {
        let pages = try open(path(part), O_WRONLY)
        let memory = try open("/proc/\(part.process.pid)/mem", O_RDONLY)
        // It may be another one's by now.
        guard Members.lives(part.process) else { return 0 }
        let parts = part.map.readable(memory.number)
        var written: UInt64 = 0
        var hashes = part.hashes
        try BlockReader.read(parts.count, { parts[$0] }) { (piece: BlockReader.Piece) throws(TransferError) in
            try progress.waitForTurn()
            // What could not be read stays what it was in the image, and by its digest.
            let size = Int(PageMap.page)
            var begin: Int?
            func end(_ end: Int) throws(TransferError) {
                guard let start = begin else { return }
                begin = nil
                try Self.write(
                    pages.number, piece.bytes[start * size..<end * size], at: piece.first + start, folder)
                written += UInt64((end - start) * size)
            }
            let whole = piece.bytes.count / size
            for at in 0..<whole {
                let (old, new) = (hashes[piece.first + at], piece.hashes[at])
                hashes[piece.first + at] = new
                // A hole has zeros.
                if old == new || old == Self.unknown && new == Self.zero {
                    try end(at)
                } else if begin == nil {
                    begin = at
                }
            }
            try end(whole)
        }
        part.hashes = hashes
        return written
    }

    private func open(_ path: String, _ flags: Int32) throws(TransferError) -> FileDescriptor {
        do throws(SystemError) { return try FileDescriptor.open(path, flags) } catch {
            throw .file(Array(path.utf8), error)
        }
    }

    private static func write(
        _ file: Int32, _ bytes: ArraySlice<UInt8>, at page: Int, _ folder: String
    ) throws(TransferError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(file, $0.baseAddress! + offset, $0.count - offset, off_t(page) * 4096 + off_t(offset))
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .file(Array(folder.utf8), SystemError("pwrite")) }
            offset += count
        }
    }

    /// What was read of a process's pages; `nil` where it was not looked at.
    func known(_ number: Int32) -> Known? {
        parts.first { $0.number == number }.map { Known(runs: $0.map.runs, hashes: $0.hashes) }
    }

    /// Digests by their addresses, asked for in the order of these.
    struct Known {
        private let runs: [PageMap.Run]
        private let hashes: [BlockHash]
        private var run = 0
        // The index of the run's first page.
        private var first = 0

        init(runs: [PageMap.Run], hashes: [BlockHash]) { (self.runs, self.hashes) = (runs, hashes) }

        /// - Parameter address: not below one that was asked for before.
        mutating func hash(at address: UInt64) -> BlockHash? { index(of: address).map { hashes[$0] } }

        /// Whether pages in a row have these.
        mutating func areEqual(_ wanted: [BlockHash], at address: UInt64) -> Bool {
            guard let index = index(of: address),
                runs[run].end >= address + UInt64(wanted.count) * PageMap.page
            else { return false }
            let size = wanted.count * MemoryLayout<BlockHash>.stride
            return wanted.withUnsafeBytes { wanted in
                hashes[index...].withUnsafeBytes {
                    memcmp($0.baseAddress!, wanted.baseAddress!, size) == 0
                }
            }
        }

        private mutating func index(of address: UInt64) -> Int? {
            while run < runs.count, runs[run].end <= address {
                first += Int(runs[run].pages)
                run += 1
            }
            guard run < runs.count, runs[run].start <= address else { return nil }
            return first + Int((address - runs[run].start) / PageMap.page)
        }
    }

    /// Nothing of it stays.
    static func remove(_ folder: String) {
        guard let inside = try? RootFolder(folder) else { return }
        for path in inside.paths() { unlink(folder + String(decoding: path, as: UTF8.self)) }
        rmdir(folder)
    }
}

extension PageMap {
    /// Its pages as they are read at once from /proc/PID/mem.
    func readable(_ memory: Int32) -> [BlockReader.Part] {
        var parts: [BlockReader.Part] = []
        var first = 0
        for run in runs {
            parts += Self.parts(memory, first, at: run.start, pages: run.pages)
            first += Int(run.pages)
        }
        return parts
    }

    static func parts(
        _ file: Int32, _ first: Int, at start: UInt64, pages: UInt64
    ) -> [BlockReader.Part] {
        let most = UInt64(BlockReader.pieceSize) / page
        return stride(from: 0, to: pages, by: Int(most)).map { done in
            BlockReader.Part(
                file: file, first: first + Int(done), start: start + done * page,
                length: Int(min(most, pages - done) * page), block: Int(page))
        }
    }
}
