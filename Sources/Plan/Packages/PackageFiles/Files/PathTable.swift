import Glibc

/// Paths and their owners: hundreds of thousands of them in three arrays.
///
/// A dictionary of byte arrays would allocate for every path; here a path is a stretch of one array, and the
/// table an open-addressing hash of 4-byte slots.
package struct PathTable: Sendable {
    /// A path; 16 bytes beside its own.
    private struct Entry: Sendable {
        var offset: UInt32
        var length: UInt32
        var hash: UInt32
        var owner: Int32
    }

    private static let nobody: Int32 = -1
    private static let directory: Int32 = -2

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// One more than the index of an entry; 0 where there is none. The count is a power of two.
    private var slots = [UInt32](repeating: 0, count: 1024)
    /// The second and further owners of the few files that have any.
    private var further: [Int32: [Int32]] = [:]
    /// The parent that was marked last: the next path mostly has the same one.
    private var lastParent: Int?
    /// Whether only the paths that are there already are of interest.
    private var isClosed = false

    /// How many paths there are, directories among them.
    package var count: Int { entries.count }

    /// Makes a table for everything that will be inserted.
    package init() {}

    /// Makes a table for these paths alone: what is inserted besides is dropped.
    package init(only paths: [[UInt8]]) throws(TooManyPaths) {
        for path in paths { _ = try insert(path) }
        isClosed = true
    }

    /// The index of a path.
    package func find(_ path: [UInt8]) -> Int? {
        path.withUnsafeBytes { path in
            switch probe(path, Self.hash(path)) {
            case .found(let index): index
            case .free: nil
            }
        }
    }

    /// The index of a path, which is put in where it was not there and is of interest.
    package mutating func insert(_ path: [UInt8]) throws(TooManyPaths) -> Int? {
        let start = bytes.count
        bytes.append(contentsOf: path)
        return try insertTail(from: start)
    }

    /// Puts a path in for a package, and marks the directory above it as one.
    ///
    /// - Parameter isDirectory: whether it is known to be a directory, with nothing below it perhaps.
    package mutating func insert(
        _ path: UnsafeRawBufferPointer, owner: Int, links: TopLevelLinks, isDirectory: Bool = false
    ) throws(TooManyPaths) {
        let start = bytes.count
        if links.replacement(path) != nil {
            bytes.append(contentsOf: links.resolve(Array(path)))
        } else {
            bytes.append(contentsOf: path)
        }
        let end = bytes.count
        let slash = bytes[start..<end].lastIndex(of: UInt8(ascii: "/")) ?? start
        // Before the path itself goes in, while its bytes are the last ones.
        if slash > start { markParent(start..<slash) }
        guard let index = try insertTail(from: start) else { return }
        if isDirectory {
            entries[index].owner = Self.directory
            further[Int32(truncatingIfNeeded: index)] = nil
        }
        add(owner: Int32(truncatingIfNeeded: owner), to: index)
    }

    /// Packages that list a path, the first one first; none for directories.
    package func owners(_ index: Int) -> [Int] {
        let first = entries[index].owner
        guard first >= 0 else { return [] }
        return [Int(first)] + (further[Int32(truncatingIfNeeded: index)] ?? []).map { Int($0) }
    }

    /// The first package that lists a path.
    package func owner(_ index: Int) -> Int? {
        let first = entries[index].owner
        return first >= 0 ? Int(first) : nil
    }

    /// Whether other paths lie below this one.
    package func isDirectory(_ index: Int) -> Bool { entries[index].owner == Self.directory }

    /// Replaces the owners of a path that is no directory.
    package mutating func set(owners: [Int], of index: Int) {
        guard !isDirectory(index) else { return }
        further[Int32(truncatingIfNeeded: index)] = nil
        entries[index].owner = Self.nobody
        for owner in owners { add(owner: Int32(truncatingIfNeeded: owner), to: index) }
    }

    private mutating func add(owner: Int32, to index: Int) {
        let first = entries[index].owner
        if first == Self.nobody { entries[index].owner = owner }
        guard first >= 0, first != owner else { return }
        let key = Int32(truncatingIfNeeded: index)
        if further[key]?.contains(owner) != true { further[key, default: []].append(owner) }
    }

    private mutating func markParent(_ range: Range<Int>) {
        if let lastParent {
            let entry = entries[lastParent]
            if Int(entry.length) == range.count, isSame(entry, at: range.lowerBound) { return }
        }
        let found = bytes.withUnsafeBytes { bytes -> Place in
            let parent = UnsafeRawBufferPointer(rebasing: bytes[range])
            return probe(parent, Self.hash(parent))
        }
        guard case .found(let index) = found else { return }
        entries[index].owner = Self.directory
        further[Int32(truncatingIfNeeded: index)] = nil
        lastParent = index
    }

    /// Makes an entry of the bytes from `start` on; takes them away again where there is one already.
    private mutating func insertTail(from start: Int) throws(TooManyPaths) -> Int? {
        guard bytes.count <= Int(UInt32.max), entries.count < Int(Int32.max) else { throw TooManyPaths() }
        let (hash, found) = bytes.withUnsafeBytes { bytes in
            let path = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let hash = Self.hash(path)
            return (hash, probe(path, hash))
        }
        switch found {
        case .found(let index):
            bytes.removeLast(bytes.count - start)
            return index
        case .free(let slot):
            guard !isClosed else {
                bytes.removeLast(bytes.count - start)
                return nil
            }
            entries.append(
                Entry(
                    offset: UInt32(start), length: UInt32(bytes.count - start), hash: hash,
                    owner: Self.nobody))
            slots[slot] = UInt32(entries.count)
            if entries.count * 2 > slots.count { grow() }
            return entries.count - 1
        }
    }

    private mutating func grow() {
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for index in entries.indices {
            var slot = Int(entries[index].hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = UInt32(index + 1)
        }
    }

    private enum Place {
        case found(Int)
        case free(slot: Int)
    }

    /// At least half of the slots are free, so the search ends.
    private func probe(_ path: UnsafeRawBufferPointer, _ hash: UInt32) -> Place {
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            let entry = entries[index]
            if entry.hash == hash, Int(entry.length) == path.count {
                // Nothing is equal to nothing; it may have no address.
                if path.isEmpty { return .found(index) }
                let isEqual = bytes.withUnsafeBytes { bytes in
                    let start = Int(entry.offset)
                    return memcmp(bytes.baseAddress! + start, path.baseAddress!, path.count) == 0
                }
                if isEqual { return .found(index) }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return .free(slot: slot)
    }

    private func isSame(_ entry: Entry, at offset: Int) -> Bool {
        bytes.withUnsafeBytes { bytes in
            let start = Int(entry.offset)
            let length = Int(entry.length)
            return memcmp(bytes.baseAddress! + start, bytes.baseAddress! + offset, length) == 0
        }
    }

    /// Eight bytes at a time, each mixed by a multiplication.
    private static func hash(_ path: UnsafeRawBufferPointer) -> UInt32 {
        var hash = UInt64(path.count) &* 0x9e37_79b9_7f4a_7c15
        var offset = 0
        while path.count - offset >= 8 {
            let word = path.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            hash = (hash ^ word) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash >> 32
            offset += 8
        }
        var word: UInt64 = 0
        while offset < path.count {
            word = word << 8 | UInt64(path[offset])
            offset += 1
        }
        hash = (hash ^ word) &* 0xff51_afd7_ed55_8ccd
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}

/// The paths of all packages take more than 4 GiB, or are more than two thousand million.
package struct TooManyPaths: Error, Equatable {}
