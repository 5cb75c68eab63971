import Records

/// Which path a directory has, by its identity, kept exact from the stream of events alone.
///
/// A directory's path is learnt from its mkdir, or asked for once when it is first met, and follows
/// the renames of the directory and of those above it. A path that was learnt stays when the
/// directory goes: an event that is read later still resolves.
struct DirectoryTree: ~Copyable {
    private var identities = ByteInterner()
    /// Path of each identity.
    private var paths: [TextID] = [.none]
    private let limit: Int
    /// How often the table was full and had to be emptied.
    private(set) var evictions: UInt64 = 0

    /// - Parameter limit: directories kept; far above what a host uses at a time.
    init(limit: Int = 1 << 18) { self.limit = limit }

    /// How many directories are known.
    var count: Int { identities.count }

    /// Bytes of memory in use.
    var footprint: Int { identities.footprint + paths.capacity * 4 }

    /// The path of a directory, asked for if it was not met before; `nil` if it cannot be named.
    mutating func path(
        of identity: UnsafeRawBufferPointer, _ texts: inout ByteInterner, _ ask: ([UInt8]) -> [UInt8]?
    ) -> TextID? {
        let position = position(of: identity)
        if paths[position] != .none { return paths[position] }
        guard let path = ask(Array(identity)) else { return nil }
        paths[position] = texts.intern(path)
        return paths[position]
    }

    /// The path of a directory if it is known already.
    mutating func knownPath(of identity: UnsafeRawBufferPointer) -> TextID? {
        let path = paths[position(of: identity)]
        return path == .none ? nil : path
    }

    /// Notes the path of a directory that was made or moved.
    mutating func set(_ path: TextID, of identity: UnsafeRawBufferPointer) {
        paths[position(of: identity)] = path
    }

    /// Lets every known directory at or below `old` be at or below `new`.
    mutating func move(from old: [UInt8], to new: [UInt8], _ texts: inout ByteInterner) {
        for position in 1..<max(1, paths.count) where paths[position] != .none {
            let path = texts.array(paths[position])
            guard path.starts(with: old) else { continue }
            if path.count == old.count || path[old.count] == UInt8(ascii: "/") {
                paths[position] = texts.intern(new + path[old.count...])
            }
        }
    }

    private mutating func position(of identity: UnsafeRawBufferPointer) -> Int {
        if identities.count >= limit {
            identities = ByteInterner()
            paths = [.none]
            evictions += 1
        }
        let position = Int(identities.intern(identity).rawValue)
        if position == paths.count { paths.append(.none) }
        return position
    }
}
