import Glibc
import Records

/// Hosts by the bytes that a list has for them, the last ones at hand: a list names few hosts, often.
struct HostCache {
    private var names: [(bytes: [UInt8], number: HostID)] = []
    private var last = 0
    /// Where the path of the last row's first program lies, and its node: rows of a program follow one
    /// another in most lists.
    private var path = UnsafeRawBufferPointer(start: nil, count: 0)
    private var pathHost = HostID.none
    private var pathNode: UInt32 = 0

    /// Forgets what lies in a buffer that goes.
    mutating func forgetNode() { path = UnsafeRawBufferPointer(start: nil, count: 0) }

    /// The number of a host.
    @inline(__always)
    mutating func number(_ name: UnsafeRawBufferPointer, _ builder: inout GraphBuilder) -> HostID {
        if last < names.count, Self.equal(names[last].bytes, name) { return names[last].number }
        return search(name, &builder)
    }

    private mutating func search(_ name: UnsafeRawBufferPointer, _ builder: inout GraphBuilder) -> HostID {
        if names.count <= 64, let found = names.firstIndex(where: { Self.equal($0.bytes, name) }) {
            last = found
            return names[found].number
        }
        let number = builder.listedHost(String(decoding: name, as: UTF8.self))
        if names.count < 64 {
            last = names.count
            names.append((Array(name), number))
        }
        return number
    }

    /// The node of a row's first path.
    @inline(__always)
    mutating func node(
        host: UnsafeRawBufferPointer, path: UnsafeRawBufferPointer, _ builder: inout GraphBuilder
    ) -> UInt32 {
        let number = number(host, &builder)
        if let known = self.path.baseAddress, let start = path.baseAddress, number == pathHost,
            self.path.count == path.count, memcmp(known, start, path.count) == 0
        {
            return pathNode
        }
        let tag = NodeTag.make(.entry, number)
        pathNode = builder.nodes.intern(tag, path, hash: builder.nodes.hash(tag, path))
        pathHost = number
        self.path = path
        return pathNode
    }

    @inline(__always)
    private static func equal(_ known: [UInt8], _ name: UnsafeRawBufferPointer) -> Bool {
        guard known.count == name.count, let start = name.baseAddress else { return false }
        return known.withUnsafeBytes { memcmp($0.baseAddress.unsafelyUnwrapped, start, name.count) == 0 }
    }
}
