/// A key that dictionaries and sets hash with `SeededHash`: some ten instructions for each number in it, where `Hasher`
/// takes seventy and more.
public protocol QuickKey: Hashable {
    /// The hash of all that is compared.
    func hash(with hash: SeededHash) -> UInt64
}

extension QuickKey {
    /// The hash for a table of this seed: what the standard library's tables ask for. The seed is the address of the
    /// table's storage, which differs with each table and, as addresses are randomized, with each run.
    @inlinable @inline(__always)
    public func _rawHashValue(seed: Int) -> Int {
        Int(truncatingIfNeeded: hash(with: SeededHash(seed: UInt64(truncatingIfNeeded: seed))))
    }

    /// Feeds a hash of several things.
    @inlinable
    public func hash(into hasher: inout Hasher) { hasher.combine(hash(with: SeededHash(seed: 0))) }
}

/// Values by pid.
public struct PidTable<Value>: Sequence {
    @usableFromInline
    struct Key: QuickKey {
        @usableFromInline let pid: Int32
        @inlinable init(_ pid: Int32) { self.pid = pid }
        @inlinable func hash(with hash: SeededHash) -> UInt64 { hash(UInt64(truncatingIfNeeded: pid)) }
        @inlinable static func == (left: Key, right: Key) -> Bool { left.pid == right.pid }
    }

    @usableFromInline var entries: [Key: Value] = [:]

    /// Makes an empty table.
    @inlinable public init() {}

    /// How many pids have a value.
    @inlinable public var count: Int { entries.count }
    /// Whether none has.
    @inlinable public var isEmpty: Bool { entries.isEmpty }
    /// For how many there is room.
    @inlinable public var capacity: Int { entries.capacity }
    /// The pids, in no order.
    @inlinable public var pids: some Sequence<Int32> {
        // By a closure: a key path would be put together anew at each call.
        entries.keys.lazy.map { $0.pid }
    }

    /// The value of a pid.
    @inlinable
    public subscript(pid: Int32) -> Value? {
        get { entries[Key(pid)] }
        _modify { yield &entries[Key(pid)] }
    }

    /// The value of a pid, or one that stands in for it.
    @inlinable
    public subscript(pid: Int32, default value: @autoclosure () -> Value) -> Value {
        get { entries[Key(pid), default: value()] }
        _modify { yield &entries[Key(pid), default: value()] }
    }

    /// Forgets everything.
    @inlinable
    public mutating func removeAll(keepingCapacity: Bool = false) {
        entries.removeAll(keepingCapacity: keepingCapacity)
    }

    /// Goes over the pids and their values, in no order.
    public struct Iterator: IteratorProtocol {
        @usableFromInline var base: [Key: Value].Iterator
        @inlinable init(_ base: [Key: Value].Iterator) { self.base = base }

        /// The next pid and its value.
        @inlinable
        public mutating func next() -> (pid: Int32, value: Value)? {
            base.next().map { ($0.key.pid, $0.value) }
        }
    }

    /// Goes over the pids and their values, in no order.
    @inlinable public func makeIterator() -> Iterator { Iterator(entries.makeIterator()) }
}

extension PidTable.Key: Sendable {}
extension PidTable: Sendable where Value: Sendable {}
