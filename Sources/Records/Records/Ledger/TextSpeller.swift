import Glibc
import Text

/// Writes out texts of a tree one after another: of those that lie in one folder only the name is written anew.
public struct TextSpeller: ~Copyable {
    /// Where names begin, `middle` bytes behind the start: what is before a name is written in front of it, from its end,
    /// so that it need not be measured first.
    private var start: UnsafeMutableRawPointer
    private var middle: Int
    private var capacity: Int
    /// The node before the `/` that ends the `length` bytes in front of the middle; 0: nothing is there.
    private var folder: UInt32 = 0
    private var length = 0

    /// Makes a speller that has written nothing.
    public init() {
        middle = 4096
        capacity = 8192
        start = .allocate(byteCount: capacity, alignment: 8)
    }

    deinit { start.deallocate() }

    /// The bytes of a text, valid until the next call; empty for `.none`.
    ///
    /// - Parameter tree: the same one at every call.
    @inline(__always)
    public mutating func spell(_ text: TextID, in tree: borrowing TextTree) -> UnsafeRawBufferPointer {
        let parent = tree.parent(of: text)
        if parent.rawValue != folder { begin(parent, in: tree) }
        return tree.withName(of: text) { name in
            if name.count > capacity - middle { grow(name: name.count) }
            if let from = name.baseAddress { memcpy(start + middle, from, name.count) }
            return UnsafeRawBufferPointer(start: start + middle - length, count: length + name.count)
        }
    }

    private mutating func begin(_ parent: TextID, in tree: borrowing TextTree) {
        folder = parent.rawValue
        length = 0
        guard parent != .none else { return }
        while !write(parent, in: tree) { grow() }
    }

    /// Writes what is before a name; `false` if there is no room for it.
    @inline(__always)
    private mutating func write(_ parent: TextID, in tree: borrowing TextTree) -> Bool {
        let end = start + middle
        let room = middle
        let written: Int? = tree.withNodes { nodes in
            var number = parent.rawValue
            var written = 0
            while number != 0 {
                let name = nodes.name(of: number)
                guard written + 1 + name.count <= room else { return nil }
                written += 1
                (end - written).storeBytes(of: UInt8(ascii: "/"), as: UInt8.self)
                let place = end - (written + name.count)
                if name.count <= 16, room - written >= 16, nodes.hasBefore(name.start + name.count, 16) {
                    // Sixteen bytes that end where the name does, whatever is before it: that is written over.
                    place.advanced(by: name.count - 16).copyMemory(
                        from: name.start + (name.count - 16), byteCount: 16)
                } else {
                    place.copyMemory(from: name.start, byteCount: name.count)
                }
                written += name.count
                number = nodes.parent(of: number)
            }
            return written
        }
        length = written ?? 0
        return written != nil
    }

    /// Makes room for what is before a name.
    @inline(never)
    private mutating func grow() {
        start.deallocate()
        capacity += middle
        middle *= 2
        start = .allocate(byteCount: capacity, alignment: 8)
    }

    /// Makes room for a name, and keeps what is before it.
    @inline(never)
    private mutating func grow(name count: Int) {
        let larger = middle + max(count, (capacity - middle) * 2)
        let place = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
        (place + middle - length).copyMemory(from: start + middle - length, byteCount: length)
        start.deallocate()
        start = place
        capacity = larger
    }
}
