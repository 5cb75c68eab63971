import Records
import Text

/// Where each directory lies, by its identity: an entry has a parent and a name, so a rename, like a mkdir, changes one
/// entry, however much lies below.
///
/// A directory's place is learnt from its mkdir, or asked for once when it is first met, and follows the renames of
/// the directory and of those above it. A place that was learnt stays when the directory goes: an event that is read
/// later still resolves. A path is put together where it is asked for, and kept until a directory is moved.
///
/// Names are kept here, in a table of their own: directories that are made and never used leave nothing in a ledger.
struct DirectoryTree: ~Copyable {
    /// The number of a directory; valid until `beginBatch` empties the table. 0 is none.
    typealias Number = UInt32
    /// The number of an identity, likewise.
    typealias IdentityNumber = UInt32

    private struct Entry {
        /// The directory that it lies in; 0 for the root.
        var parent: Number
        /// Name in it, in `names`.
        var name: TextID
        /// Number of its identity; 0 for one that is known by its path alone.
        var identity: IdentityNumber
        /// Its path as of `epoch`; of one that lies beyond the bound, that of the nearest above that does not.
        var text = TextID.none
        /// Bytes of its path.
        var length: UInt32 = 0
        /// The tree's epoch when `text` was put together; 0: never.
        var epoch: UInt32 = 0
        /// The batch in which it was last renamed; 0: never.
        var renamed: UInt32 = 0
        /// What is known may be out of date: it is asked for again at its next use.
        var isStale = false
        var isBeyond = false
    }

    /// A directory's path.
    struct Path: Equatable {
        /// The path, or that of the nearest directory above whose path is within the bound.
        var text: TextID
        /// Bytes of the path.
        var length: Int
        /// Whether the path itself is beyond the bound.
        var isBeyond: Bool
    }

    /// What asking for a path leads to.
    enum Resolution {
        case path(Path)
        /// First this directory, itself or one above, has to be asked for again.
        case ask(Number)
        /// It cannot be determined, or (where texts were only looked for) the text was never met.
        case unknown
    }

    /// No longer path is written out (four times PATH_MAX).
    static let longest = 16 << 10
    /// The root, which has no name.
    static let root: Number = 1

    private var identities = TextTree()
    /// The entry of each identity; 0 where it is not known.
    private var numbers: [Number] = [0]
    private var names = TextTree()
    private var entries: [Entry] = []
    /// Entries by parent and name; what was renamed away still stands in its old place, and is not found there.
    private var places = HashIndex<UInt32>()
    private let hash = SeededHash()
    /// Rises whenever a known directory moves: paths put together before may be wrong.
    private var epoch: UInt32 = 1
    /// The present batch.
    private var batch: UInt32 = 0
    /// Directories renamed in this batch and before in it, or in the one before.
    private var restless: [Number] = []
    private var way: [Number] = []
    private let limit: Int
    /// Whether there are directories that are known by their path alone.
    private(set) var hasNameless = false
    /// How often the table was full and had to be emptied.
    private(set) var evictions: UInt64 = 0

    /// - Parameter limit: directories kept from one batch to the next; far above what a host uses at a time.
    init(limit: Int = 1 << 18) {
        self.limit = limit
        empty()
    }

    /// How many directories are known.
    var count: Int { entries.count - 2 }

    /// Bytes of memory in use.
    var footprint: Int {
        identities.footprint + numbers.capacity * 4 + names.footprint
            + entries.capacity * MemoryLayout<Entry>.stride + places.footprint
    }

    // MARK: Identities

    /// The number of an identity.
    mutating func number(of identity: UnsafeRawBufferPointer) -> IdentityNumber {
        let number = identities.child(of: .none, name: identity).rawValue
        if Int(number) == numbers.count { numbers.append(0) }
        return number
    }

    /// The directory with an identity, if its place is known and up to date; else 0.
    func directory(_ identity: IdentityNumber) -> Number {
        let number = numbers[Int(identity)]
        return number == 0 || entries[Int(number)].isStale ? 0 : number
    }

    /// The directory with an identity, if its place is known and up to date.
    func isKnown(_ identity: UnsafeRawBufferPointer) -> Bool {
        identities.find(identity, in: .none).map { directory($0.rawValue) != 0 } ?? false
    }

    /// The identity of a directory; 0 for one that is known by its path alone.
    func identityNumber(of directory: Number) -> IdentityNumber { entries[Int(directory)].identity }

    /// The bytes of an identity.
    func identity(_ number: IdentityNumber) -> [UInt8] { identities.array(TextID(rawValue: number)) }

    // MARK: Places

    /// Notes where a directory lies.
    ///
    /// One that was known by its path alone at that place gets the identity.
    @discardableResult
    mutating func place(
        _ identity: IdentityNumber, in parent: Number, name: UnsafeRawBufferPointer
    ) -> Number {
        let name = names.child(of: .none, name: name)
        var number = numbers[Int(identity)]
        if number == 0 {
            let there = find(name, in: parent)
            if there != 0, entries[Int(there)].identity == 0 {
                entries[Int(there)].identity = identity
                entries[Int(there)].isStale = false
                numbers[Int(identity)] = there
                return there
            }
            number = add(Entry(parent: parent, name: name, identity: identity))
            numbers[Int(identity)] = number
        } else {
            entries[Int(number)].isStale = false
            if entries[Int(number)].parent == parent, entries[Int(number)].name == name { return number }
            move(number, to: parent, name)
        }
        enter(number)
        return number
    }

    /// The directory of which nothing is known but that it has a name in another.
    mutating func place(in parent: Number, name: UnsafeRawBufferPointer) -> Number {
        let name = names.child(of: .none, name: name)
        let there = find(name, in: parent)
        if there != 0 { return there }
        hasNameless = true
        let number = add(Entry(parent: parent, name: name, identity: 0))
        enter(number)
        return number
    }

    /// Says that an identity is the root's.
    mutating func placeAtRoot(_ identity: IdentityNumber) {
        let number = numbers[Int(identity)]
        // One that lay elsewhere has become the root: those below it stay below it.
        if number > Self.root { move(number, to: 0, .none) }
        if entries[Int(Self.root)].identity == 0 { entries[Int(Self.root)].identity = identity }
        if number == 0 { numbers[Int(identity)] = Self.root }
        entries[Int(numbers[Int(identity)])].isStale = false
    }

    /// Notes a rename, reported by an event.
    ///
    /// - Parameters:
    ///   - target: the directory's identity; 0 where the kernel did not report it.
    ///   - old: the directory that it lay in, if that is known; else 0.
    ///   - new: the directory that it lies in now; 0 if that cannot be named: it is then asked for at its next use.
    mutating func rename(
        _ target: IdentityNumber, from old: Number, _ oldName: UnsafeRawBufferPointer, to new: Number,
        _ newName: UnsafeRawBufferPointer
    ) {
        var number = target == 0 ? 0 : numbers[Int(target)]
        if number == 0, old != 0, let name = names.find(oldName, in: .none) {
            number = find(name, in: old)
            // Another one has that name already.
            if number != 0, entries[Int(number)].identity != 0, target != 0 { number = 0 }
            if number != 0, target != 0 {
                entries[Int(number)].identity = target
                numbers[Int(target)] = number
            }
        }
        if number == 0 {
            guard target != 0, new != 0 else { return }
            number = place(target, in: new, name: newName)
        } else if new == 0 {
            markStale(number)
        } else {
            entries[Int(number)].isStale = false
            move(number, to: new, names.child(of: .none, name: newName))
            enter(number)
        }
        if entries[Int(number)].renamed != 0, entries[Int(number)].renamed &+ 1 >= batch {
            restless.append(number)
        }
        entries[Int(number)].renamed = batch
    }

    /// Starts a batch; a table that is full is emptied first.
    mutating func beginBatch() {
        batch &+= 1
        if entries.count > limit || identities.count > 2 * limit || names.count > 4 * limit {
            empty()
            evictions += 1
        }
        // The places of what was moved away.
        if places.count > 4 * entries.count { enterAll() }
    }

    /// Lets directories that were renamed more than once be asked for again at their next use: the kernel merges like
    /// renames, and of `a` to `b`, back and once more only the first two can be read.
    mutating func doubtRestless() {
        for number in restless { markStale(number) }
        restless.removeAll()
    }

    /// Whether directories wait for `doubtRestless`.
    var isRestless: Bool { !restless.isEmpty }

    /// Lets the roots of filesystems be asked for again at their next use: the mount table has changed.
    mutating func doubtMounts() {
        for number in entries.indices where entries[number].identity != 0 {
            let parent = entries[Int(entries[number].parent)].identity
            if filesystem(entries[number].identity) != (parent == 0 ? nil : filesystem(parent)) {
                entries[number].isStale = entries[number].parent != 0
            }
        }
        startEpoch()
    }

    /// The directory with an identity as it was last known: nobody knows better any more.
    mutating func trusted(_ identity: IdentityNumber) -> Number? {
        let number = numbers[Int(identity)]
        entries[Int(number)].isStale = false
        return number == 0 ? nil : number
    }

    // MARK: Paths

    /// The path of a directory.
    ///
    /// - Parameters:
    ///   - isAdding: whether a text that was never met is added to `texts`.
    ///   - isFolding: whether, where none is added, the nearest directory above that has a text stands for it.
    mutating func path(
        of directory: Number, _ texts: inout TextTree, isAdding: Bool = true, isFolding: Bool = false
    ) -> Resolution {
        if entries[Int(directory)].epoch == epoch { return .path(known(directory)) }
        // Up to one whose path is known, and down again.
        way.removeAll(keepingCapacity: true)
        var number = directory
        while entries[Int(number)].epoch != epoch, number != Self.root, entries[Int(number)].parent != 0 {
            // A circle cannot be, but in what was put together from answers at different times.
            if entries[Int(number)].isStale || way.count > entries.count {
                entries[Int(number)].isStale = true
                return entries[Int(number)].identity == 0 ? .unknown : .ask(number)
            }
            way.append(number)
            number = entries[Int(number)].parent
        }
        var path =
            entries[Int(number)].epoch == epoch
            ? known(number) : Path(text: .none, length: 0, isBeyond: false)
        if path.text == .none {
            path = Path(text: texts.intern("/"), length: 1, isBeyond: false)
            keep(path, number)
        }
        while let number = way.popLast() {
            let name = entries[Int(number)].name
            path = names.withName(of: name) { name in
                path.child(name, isFolding: isFolding) { text in
                    isAdding ? texts.child(of: text, name: name) : texts.find(name, in: text) ?? .none
                }
            }
            if path.text == .none { return .unknown }
            keep(path, number)
        }
        return .path(path)
    }

    private func known(_ number: Number) -> Path {
        let entry = entries[Int(number)]
        return Path(text: entry.text, length: Int(entry.length), isBeyond: entry.isBeyond)
    }

    private mutating func keep(_ path: Path, _ number: Number) {
        entries[Int(number)].text = path.text
        entries[Int(number)].length = UInt32(clamping: path.length)
        entries[Int(number)].isBeyond = path.isBeyond
        entries[Int(number)].epoch = epoch
    }

    // MARK: Inside

    mutating func empty() {
        identities = TextTree()
        numbers = [0]
        names = TextTree()
        // The first stands for none.
        entries = [Entry](repeating: Entry(parent: 0, name: .none, identity: 0), count: 2)
        places.removeAll()
        restless.removeAll()
        hasNameless = false
        startEpoch()
    }

    mutating func startEpoch() {
        epoch &+= 1
        if epoch != 0 { return }
        // Paths of four thousand million renames ago must not pass for present ones.
        for number in entries.indices { entries[number].epoch = 0 }
        epoch = 1
    }

    private mutating func add(_ entry: Entry) -> Number {
        entries.append(entry)
        return Number(entries.count - 1)
    }

    private mutating func move(_ number: Number, to parent: Number, _ name: TextID) {
        entries[Int(number)].parent = parent
        entries[Int(number)].name = name
        startEpoch()
    }

    private mutating func markStale(_ number: Number) {
        entries[Int(number)].isStale = true
        startEpoch()
    }

    private func filesystem(_ identity: IdentityNumber) -> UInt64? {
        identities.withName(of: TextID(rawValue: identity)) { bytes in
            bytes.count < 8 ? nil : bytes.loadUnaligned(as: UInt64.self)
        }
    }

    private func find(_ name: TextID, in parent: Number) -> Number {
        places.search(hash(UInt64(parent) << 32 | UInt64(name.rawValue))) { isAt($0, parent, name) }.number
    }

    private func isAt(_ number: Number, _ parent: Number, _ name: TextID) -> Bool {
        entries[Int(number)].parent == parent && entries[Int(number)].name == name
    }

    /// Enters a directory at its place; the one that was there before has gone.
    private mutating func enter(_ number: Number) {
        let entry = entries[Int(number)]
        let hash = hash(UInt64(entry.parent) << 32 | UInt64(entry.name.rawValue))
        let place = places.search(hash) { isAt($0, entry.parent, entry.name) }
        guard place.number == 0 else {
            places.replace(at: place, by: number)
            return
        }
        places.insert(number, hash, at: place)
        if places.isFull { enterAll() }
    }

    /// Builds the index of places anew, without what has been moved away.
    private mutating func enterAll() {
        places = HashIndex(capacity: entries.count * 2)
        for number in 2..<max(2, entries.count) {
            let entry = entries[number]
            let hash = hash(UInt64(entry.parent) << 32 | UInt64(entry.name.rawValue))
            let place = places.search(hash) { isAt($0, entry.parent, entry.name) }
            if place.number == 0 {
                places.insert(UInt32(number), hash, at: place)
            } else {
                places.replace(at: place, by: UInt32(number))
            }
        }
    }
}

extension DirectoryTree.Path {
    /// What lies in a directory.
    ///
    /// - Parameter make: gives the text of the name in the folder whose text is passed.
    ///
    /// - Parameter isFolding: whether a path that `make` has no text for is one of those beyond what is kept.
    func child(
        _ name: UnsafeRawBufferPointer, isFolding: Bool = false, _ make: (TextID) -> TextID
    ) -> Self {
        let length = length + name.count + (length > 1 ? 1 : 0)
        if isBeyond || length > DirectoryTree.longest {
            return Self(text: text, length: length, isBeyond: true)
        }
        let made = make(text)
        if isFolding, made == .none { return Self(text: text, length: length, isBeyond: true) }
        return Self(text: made, length: length, isBeyond: false)
    }
}
