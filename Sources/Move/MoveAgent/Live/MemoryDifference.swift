import Glibc
import SystemCalls
import Transfer

/// Makes of an image of stopped processes the difference from what the destination has of their memory.
///
/// That is criu's own form of an image with a parent: what is equal there is marked so in the map of pages, and is not in the file of
/// pages; criu reads it from the parent's when it restores. Pages that criu has left in the processes (`--lazy-pages`) are read from there.
struct MemoryDifference {
    /// Where criu finds the parent of an image (`CR_PARENT_LINK`).
    private static let link = "parent"

    /// What came of it, in bytes.
    struct Figures: Equatable {
        var all: UInt64 = 0
        /// Of which the destination has what is equal.
        var known: UInt64 = 0
    }

    let images: String
    /// Pids by the numbers that processes have themselves; stopped, and so they stay.
    let pids: [Int32: Int32]
    /// `nil` where the destination has nothing.
    let ahead: MemoryAhead?

    /// - Parameter parent: the path that the image's folder finds the parent by.
    func make(parent: String) throws(MoveError) -> Figures {
        var figures = Figures()
        let (paths, _) = try LiveDump.files(below: images)
        for path in paths {
            guard let number = ImageFile.number(path, "pagemap") else { continue }
            let name = String(decoding: path, as: UTF8.self)
            do throws(SystemError) {
                try make(images + name, number, &figures)
            } catch { throw MoveError("\(name.dropFirst()): \(error)") }
        }
        if figures.known > 0 {
            guard symlink(parent, "\(images)/\(Self.link)") == 0 else {
                throw MoveError("\(images)/\(Self.link): \(SystemError.text(of: errno))")
            }
        }
        return figures
    }

    private func make(_ path: String, _ number: Int32, _ figures: inout Figures) throws(SystemError) {
        guard let map = PageMap(try FileDescriptor.open(path, O_RDONLY).readAll(limit: 1 << 30)) else {
            throw SystemError("read", code: EBADMSG)
        }
        let place = "\(images)/pages-\(map.number).img"
        let pages = try FileDescriptor.open(place, O_RDONLY)
        let memory = try pids[number].map { (pid) throws(SystemError) in
            try FileDescriptor.open("/proc/\(pid)/mem", O_RDONLY).release()
        }
        defer { if let memory { close(memory) } }
        var parts: [BlockReader.Part] = []
        var mayBeKnown: [Bool] = []
        var offset: UInt64 = 0
        for run in map.runs {
            let isPresent = run.place.contains(.present)
            guard isPresent || memory != nil, !run.place.contains(.parent) else {
                throw SystemError("read", code: ESRCH)
            }
            let more = PageMap.parts(
                isPresent ? pages.number : memory!, Int(run.start / PageMap.page),
                at: isPresent ? offset : run.start, pages: run.pages)
            if isPresent { offset += run.pages * PageMap.page }
            parts += more
            // Memory of other kinds criu does not restore from a parent.
            mayBeKnown += [Bool](repeating: run.place.contains(.deferrable), count: more.count)
        }
        let target = try FileDescriptor.open(
            place + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
        var known = ahead?.known(number)
        var made = PageMap(number: map.number)
        var index = 0
        let list = parts
        try BlockReader.read(list.count, { list[$0] }) { (piece: BlockReader.Piece) throws(SystemError) in
            guard piece.bytes.count == list[index].length else {
                throw piece.failure ?? SystemError("pread", code: EIO)
            }
            let mayBe = mayBeKnown[index]
            index += 1
            let first = UInt64(piece.first) * PageMap.page
            // Most of it is, and while clients wait one look at many pages is quicker than many.
            if mayBe, known?.areEqual(piece.hashes, at: first) == true {
                made.add(first, pages: UInt64(piece.hashes.count), .parent)
                figures.all += UInt64(piece.bytes.count)
                figures.known += UInt64(piece.bytes.count)
                return
            }
            let size = Int(PageMap.page)
            var begin = 0
            func write(_ end: Int) throws(SystemError) {
                guard begin < end else { return }
                try target.writeAll(piece.bytes[begin * size..<end * size])
            }
            for (at, hash) in piece.hashes.enumerated() {
                let address = first + UInt64(at) * PageMap.page
                figures.all += PageMap.page
                if mayBe, known?.hash(at: address) == hash {
                    figures.known += PageMap.page
                    made.add(address, .parent)
                    try write(at)
                    begin = at + 1
                } else {
                    made.add(address, mayBe ? [.present, .deferrable] : .present)
                }
            }
            try write(piece.hashes.count)
        }
        guard rename(place + ".new", place) == 0 else { throw SystemError("rename") }
        try FileDescriptor.open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW).writeAll(made.bytes)
    }
}
