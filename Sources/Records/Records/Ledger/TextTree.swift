import Glibc
public import Text

/// The number of a text; 0 stands for "none".
public struct TextID: QuickKey, Sendable {
    /// Number of the text's node in its tree.
    public let rawValue: UInt32
    /// Makes a number from a position; for readers of stored forms.
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// The hash for tables.
    @inlinable public func hash(with hash: SeededHash) -> UInt64 { hash(UInt64(rawValue)) }
    /// No text.
    public static let none = TextID(rawValue: 0)
}

/// Texts, most of them paths, each kept once, known by a small number.
///
/// A text is a node: the text before its last `/`, which is another node, and the bytes behind it, its name. So a
/// folder's path is kept once however much lies in it, and a path takes memory for its last name alone, however deep
/// it lies. A text without a `/` has no parent; `/etc` is the name `etc` below the empty text, `/` the empty name
/// below it. Any bytes come back as they were, a `/` at the end and one behind another included: paths are bytes and
/// not text, Linux promises neither UTF-8 nor anything but the absence of NUL.
///
/// Nodes go only by `reclaim`, which gives the others new numbers; a parent stands before its children. Looking up or adding allocates nothing
/// but the growth of three arrays. Names take 4 GiB together at most: what has no room gets no number and is counted.
public struct TextTree: ~Copyable, Sendable {
    struct Node {
        /// Number of the node before the last `/`; 0 for a text without one.
        var parent: UInt32
        /// Where the name ends; it starts where that of the node before ends.
        var end: UInt32
    }

    var names = GrowingBytes()
    var nodes = [Node(parent: 0, end: 0)]
    var index = HashIndex<UInt32>()
    let hash = SeededHash()
    /// Folders that were interned of late: who interns whole paths, one folder's one after another, need not go through
    /// all that is above each.
    var recent = RecentTexts(places: 64)
    /// The same of the folders above those that were not among them: others come in between less often.
    var recentAbove = RecentTexts(places: 0)
    /// Bytes of names that there may be.
    private let limit: Int
    /// Texts that had no room.
    public private(set) var refused: UInt64 = 0

    /// Makes an empty tree.
    ///
    /// - Parameter limit: bytes of all names together; no more than 4 GiB.
    public init(limit: Int = Int(UInt32.max)) { self.limit = min(limit, Int(UInt32.max)) }

    /// How many texts there are, those of the folders above others included.
    public var count: Int { nodes.count - 1 }

    /// Bytes of all names together.
    public var byteCount: Int { names.count }

    /// Bytes of memory in use, for `status`.
    public var footprint: Int {
        names.capacity + nodes.capacity * MemoryLayout<Node>.stride + index.footprint
            + recent.footprint + recentAbove.footprint
    }

    // MARK: Texts to numbers

    /// The number of a text, a new one if it was not met before; `.none` if there is no room for it.
    public mutating func intern(_ text: UnsafeRawBufferPointer) -> TextID {
        guard let slash = text.last(UInt8(ascii: "/")) else { return node(0, text) }
        guard let folder = folder(UnsafeRawBufferPointer(rebasing: text[..<slash])) else { return .none }
        return node(folder, UnsafeRawBufferPointer(rebasing: text[(slash + 1)...]))
    }

    /// The number of a text given as an array.
    public mutating func intern(_ text: [UInt8]) -> TextID {
        text.withUnsafeBytes { intern($0) }
    }

    /// The number of a text's UTF-8 bytes.
    public mutating func intern(_ text: String) -> TextID { intern(Array(text.utf8)) }

    /// The number of the text that is `name` in a folder; `.none` if there is no room for it.
    ///
    /// - Parameters:
    ///   - folder: `/` and the empty text are one folder; `.none` for a text that has no `/`.
    ///   - name: without a `/`. A tree whose texts are no paths may take any bytes here, below `.none`.
    public mutating func child(of folder: TextID, name: UnsafeRawBufferPointer) -> TextID {
        node(base(folder), name)
    }

    /// The number of the text that is `name` in a folder, if it was met.
    public func find(_ name: UnsafeRawBufferPointer, in folder: TextID) -> TextID? {
        let parent = base(folder)
        let found = index.search(hash(name, parent)) { matches($0, parent, name) }.number
        return found == 0 ? nil : TextID(rawValue: found)
    }

    /// Adds a node as it was stored; `nil` if it is there already, if its parent is not, or if its name is a path.
    public mutating func append(name: UnsafeRawBufferPointer, below parent: UInt32) -> TextID? {
        guard parent < UInt32(nodes.count), name.last(UInt8(ascii: "/")) == nil else { return nil }
        let known = count
        let number = node(parent, name)
        return count == known ? nil : number
    }

    // MARK: Numbers to texts

    /// The text before the last `/`; `.none` for a text without one.
    public func parent(of text: TextID) -> TextID { TextID(rawValue: nodes[Int(text.rawValue)].parent) }

    /// The node under which those in a folder stand: that of the folder's own text, but for `/`, which ends in one.
    public func folder(_ text: TextID) -> TextID { TextID(rawValue: base(text)) }

    /// Lends the bytes behind the last `/`.
    @inline(__always)
    public func withName<Result>(of text: TextID, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let range = range(text.rawValue)
        return names.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// Bytes of a text when it is written out; 0 for `.none`.
    public func length(of text: TextID) -> Int {
        guard text != .none else { return 0 }
        var length = 0
        var number = text.rawValue
        while true {
            length += range(number).count
            number = nodes[Int(number)].parent
            if number == 0 { return length }
            length += 1
        }
    }

    /// Lends the bytes of a text; empty for `.none`.
    ///
    /// Inlined, so that no result's type is looked up at run time: for each program that starts that was a tenth of all
    /// that is done about it.
    @inlinable
    public borrowing func withBytes<Result>(
        _ text: TextID, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        let length = length(of: text)
        return try withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { place in
            write(text, to: place)
            return try body(UnsafeRawBufferPointer(place))
        }
    }

    /// A copy of a text; empty for `.none`.
    public borrowing func array(_ text: TextID) -> [UInt8] {
        let length = length(of: text)
        return [UInt8](unsafeUninitializedCapacity: length) { place, count in
            write(text, to: UnsafeMutableRawBufferPointer(place))
            count = length
        }
    }

    /// Whether a text has no bytes, as `.none` has none.
    public borrowing func isEmpty(_ text: TextID) -> Bool {
        range(text.rawValue).isEmpty && nodes[Int(text.rawValue)].parent == 0
    }

    /// Whether a text is a folder's, or that of something below it.
    public func isBelow(_ text: TextID, _ folder: TextID) -> Bool {
        let base = base(folder)
        var number = text.rawValue
        while number != 0 {
            if number == base { return true }
            number = nodes[Int(number)].parent
        }
        return text == folder
    }

    /// Writes a text, from its end, to a place that has as many bytes.
    @usableFromInline
    func write(_ text: TextID, to place: UnsafeMutableRawBufferPointer) {
        guard text != .none, let start = place.baseAddress else { return }
        var number = text.rawValue
        var end = place.count
        names.withUnsafeBytes { names in
            while true {
                let range = range(number)
                end -= range.count
                if !range.isEmpty { memcpy(start + end, names.baseAddress! + range.lowerBound, range.count) }
                number = nodes[Int(number)].parent
                if number == 0 { return }
                end -= 1
                start.storeBytes(of: UInt8(ascii: "/"), toByteOffset: end, as: UInt8.self)
            }
        }
    }

    // MARK: Nodes

    /// `/` is spelled as an empty name below the empty text, but what lies in it stands below that one.
    @inline(__always)
    private func base(_ folder: TextID) -> UInt32 {
        let parent = nodes[Int(folder.rawValue)].parent
        return parent != 0 && range(folder.rawValue).isEmpty ? parent : folder.rawValue
    }

    @inline(__always)
    private func range(_ number: UInt32) -> Range<Int> {
        number == 0 ? 0..<0 : Int(nodes[Int(number) - 1].end)..<Int(nodes[Int(number)].end)
    }

    /// The node of a folder's text; `nil` if it has no room.
    private mutating func folder(_ text: UnsafeRawBufferPointer) -> UInt32? {
        let hash = hash(text)
        if let known = recalled(text, hash) { return known }
        guard let (above, name) = above(text) else { return nil }
        let number = node(above, name).rawValue
        if number == 0 { return nil }
        recent.remember(number, hash)
        return number
    }

    /// The node of a folder's text, which has this hash, if it was met of late.
    @inline(__always)
    func recalled(_ text: UnsafeRawBufferPointer, _ hash: UInt64) -> UInt32? {
        recent.search(hash) { spells($0, text) }
    }

    /// The node above a folder's, and the folder's own name; `nil` if there is no room for what is above.
    mutating func above(_ folder: UnsafeRawBufferPointer) -> (node: UInt32, name: UnsafeRawBufferPointer)? {
        guard let slash = folder.last(UInt8(ascii: "/")) else { return (0, folder) }
        let text = UnsafeRawBufferPointer(rebasing: folder[..<slash])
        let name = UnsafeRawBufferPointer(rebasing: folder[(slash + 1)...])
        if recentAbove.isEmpty { recentAbove = RecentTexts(places: 4096) }
        let hash = hash(text)
        if let known = recentAbove.search(hash, where: { spells($0, text) }) { return (known, name) }
        guard let number = walked(text) else { return nil }
        recentAbove.remember(number, hash)
        return (number, name)
    }

    /// The node of a folder's text, from its first name to its last; `nil` if it has no room.
    private mutating func walked(_ text: UnsafeRawBufferPointer) -> UInt32? {
        var parent: UInt32 = 0
        var start = 0
        while true {
            let end = Self.slash(text, from: start) ?? text.count
            parent = node(parent, UnsafeRawBufferPointer(rebasing: text[start..<end])).rawValue
            if parent == 0 { return nil }
            if end == text.count { return parent }
            start = end + 1
        }
    }

    /// Whether a node's text is this one.
    private func spells(_ number: UInt32, _ text: UnsafeRawBufferPointer) -> Bool {
        guard let start = text.baseAddress else { return false }
        var number = number
        var end = text.count
        return withNodes { nodes in
            while true {
                let name = nodes.name(of: number)
                guard end >= name.count else { return false }
                end -= name.count
                guard name.start.equals(start + end, count: name.count) else { return false }
                number = nodes.parent(of: number)
                if number == 0 { return end == 0 }
                guard end > 0, text[end - 1] == UInt8(ascii: "/") else { return false }
                end -= 1
            }
        }
    }
    @inline(__always)
    private mutating func node(_ parent: UInt32, _ name: UnsafeRawBufferPointer) -> TextID {
        node(parent, name, hash(name, parent))
    }

    /// The node of a name in a folder, a new one if it was not met before.
    @inline(__always)
    mutating func node(_ parent: UInt32, _ name: UnsafeRawBufferPointer, _ hash: UInt64) -> TextID {
        let place = index.search(hash) { matches($0, parent, name) }
        if place.number != 0 { return TextID(rawValue: place.number) }
        return add(parent, name, hash, place)
    }

    private mutating func add(
        _ parent: UInt32, _ name: UnsafeRawBufferPointer, _ hash: UInt64, _ place: HashIndex<UInt32>.Place
    ) -> TextID {
        guard name.count <= limit - names.count, nodes.count < Int(UInt32.max) / 2 else {
            refused += 1
            return .none
        }
        names.append(name)
        nodes.makeRoom(for: 1)
        nodes.append(Node(parent: parent, end: UInt32(names.count)))
        let number = UInt32(nodes.count - 1)
        index.insert(number, hash, at: place)
        if index.isFull { growIndex() }
        return TextID(rawValue: number)
    }

    private mutating func growIndex() { reserveIndex(count + 1) }

    private mutating func reserveIndex(_ count: Int) {
        let (nodes, hash) = (nodes, hash)
        names.withUnsafeBytes { names in
            index.reserve(count) { number in
                let name = names[Int(nodes[Int(number) - 1].end)..<Int(nodes[Int(number)].end)]
                return hash(UnsafeRawBufferPointer(rebasing: name), nodes[Int(number)].parent)
            }
        }
    }

    /// Makes room for so many texts in all, and for so many bytes of their names, where that many are sure to come.
    mutating func reserve(texts: Int, bytes: Int) {
        names.reserve(min(bytes, limit))
        nodes.reserve(texts + 1)
        reserveIndex(texts)
    }

    @inline(__always)
    private func matches(_ number: UInt32, _ parent: UInt32, _ name: UnsafeRawBufferPointer) -> Bool {
        withNodes { nodes in
            guard nodes.parent(of: number) == parent else { return false }
            let own = nodes.name(of: number)
            guard own.count == name.count else { return false }
            guard let start = name.baseAddress else { return true }
            return own.start.equals(start, count: own.count)
        }
    }

    /// Nodes and their names without a check of each number and each range: both come from the tree itself.
    struct Nodes {
        let nodes: UnsafePointer<Node>
        let names: UnsafeRawPointer

        @inline(__always)
        func parent(of number: UInt32) -> UInt32 { nodes[Int(number)].parent }

        /// The name of any node but 0.
        @inline(__always)
        func name(of number: UInt32) -> (start: UnsafeRawPointer, count: Int) {
            let start = Int(nodes[Int(number) - 1].end)
            return (names + start, Int(nodes[Int(number)].end) - start)
        }

        /// Whether there are so many bytes of names in front of a place among them.
        @inline(__always)
        func hasBefore(_ place: UnsafeRawPointer, _ count: Int) -> Bool { names.distance(to: place) >= count }
    }

    @inline(__always)
    func withNodes<Result>(_ body: (Nodes) -> Result) -> Result {
        nodes.withUnsafeBufferPointer { nodes in
            // There is always one.
            let first = nodes.baseAddress.unsafelyUnwrapped
            return names.withUnsafeBytes { names in
                body(Nodes(nodes: first, names: names.baseAddress.unsafelyUnwrapped))
            }
        }
    }

    private static func slash(_ text: UnsafeRawBufferPointer, from offset: Int) -> Int? {
        guard let start = text.baseAddress, let found = memchr(start + offset, 0x2f, text.count - offset)
        else {
            return nil
        }
        return start.distance(to: found)
    }
}

extension Array {
    /// Makes room at the end: by a quarter where an array is large, since the double would be memory that is not used.
    @inline(__always)
    mutating func makeRoom(for more: Int) {
        if capacity - count < more { growByAQuarter(for: more) }
    }

    /// Makes room for so many in all, where that many are sure to come.
    mutating func reserve(_ wanted: Int) {
        reserveCapacity(wanted)
        let bytes = capacity * MemoryLayout<Element>.stride
        withUnsafeMutableBytes { own in
            if let start = own.baseAddress { HugePages.advise(start, bytes: bytes) }
        }
    }

    @inline(never)
    private mutating func growByAQuarter(for more: Int) {
        guard count * MemoryLayout<Element>.stride >= 1 << 20 else { return }
        reserveCapacity(Swift.max(count + more, count + count / 4))
    }
}

extension TextTree {
    /// The number of a text if it was met; nothing is added.
    public func find(_ text: [UInt8]) -> TextID? {
        text.withUnsafeBytes { bytes in
            var folder = TextID.none
            var start = 0
            while true {
                let end = bytes[start...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.count
                guard let found = find(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), in: folder)
                else { return nil }
                if end == bytes.count { return found }
                folder = found
                start = end + 1
            }
        }
    }
}
