import Glibc
import SystemCalls

/// What the configuration file sets: lines `key = value`, `#` starts a comment.
public struct Configuration: Equatable, Sendable {
    /// How many dumps are kept (`dump.keep`).
    public var dumpsKept = 20
    /// How long records may wait before they are stored, nanoseconds (`store.interval`).
    public var storeInterval: UInt64 = 3_000_000_000
    /// How long events are let gather while they flow, nanoseconds (`batch.interval`).
    public var batchInterval: UInt64 = 10_000_000
    /// Bytes of memory that the daemon keeps within, the kernel's queues for it included (`memory.limit`).
    public var memoryLimit: UInt64 = 256 << 20
    /// How long records are kept that are not seen again, nanoseconds; `nil` for ever (`retention`).
    public var retention: UInt64?
    /// How many file events may wait (`fanotify.queue`).
    public var queue = Queue.derived

    /// How many file events may wait in the kernel's queue.
    public enum Queue: Equatable, Sendable {
        /// As many as fit into an eighth of the memory.
        case derived
        /// As many as memory holds.
        case unlimited
        case events(Int)
    }

    /// The limit of the queue; `nil` for none. An event takes some 256 bytes in the kernel, and as much again when it is read.
    public var queueLimit: Int? {
        switch queue {
        case .derived: max(16_384, Int(memoryLimit / 2048))
        case .unlimited: nil
        case .events(let number): number
        }
    }

    /// What records and tables may take: the rest is for queues, rings, what is being worked off, and the growth of
    /// tables, which double.
    public var recordBudget: Int { Int(memoryLimit / 100 * 35) }
    /// Types of filesystems that are watched by descriptor if they cannot be by handle (`fanotify.descriptor`).
    public var descriptorTypes: Set<String> = []
    /// Whether the tracepoint ring is used (`tracepoints`).
    public var tracepoints = true
    /// Whether dumps say what programs run with (`processes`).
    public var processes = true

    /// The values without a file.
    public init() {}

    /// The file that is read if none is named and it exists.
    public static let defaultPath = "/etc/retinue/retinued.conf"

    /// Reads a file.
    ///
    /// - Parameter path: a named file must exist; with `nil` the default one is read if it exists.
    public static func read(_ path: String?) throws(StartError) -> Configuration {
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path ?? defaultPath, O_RDONLY).readAll()
        } catch {
            if path == nil, error.code == ENOENT { return Configuration() }
            throw StartError(
                "cannot read the configuration \(path ?? defaultPath): \(SystemError.text(of: error.code))")
        }
        return try Configuration(parsing: String(decoding: bytes, as: UTF8.self), from: path ?? defaultPath)
    }

    /// Reads a text; an error names file, line and key.
    public init(parsing text: String, from path: String) throws(StartError) {
        var met: Set<String> = []
        // By bytes: to a String, a carriage return and the newline behind it are one character.
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (number, line) in lines.enumerated() {
            let content = Self.trim(Substring(line.prefix { $0 != UInt8(ascii: "#") }))
            if content.isEmpty { continue }
            let place = "\(path), line \(number + 1)"
            guard let equals = content.firstIndex(of: "=") else {
                throw StartError("\(place): '\(content)' is not of the form 'key = value'")
            }
            let key = Self.trim(content[..<equals])
            let value = Self.trim(content[content.index(after: equals)...])
            guard met.insert(key).inserted else { throw StartError("\(place): key '\(key)' is set twice") }
            try set(key, value, place)
        }
    }

    private mutating func set(_ key: String, _ value: String, _ place: String) throws(StartError) {
        func fail(_ expected: String) -> StartError {
            StartError("\(place): key '\(key)' needs \(expected), not '\(value)'")
        }
        switch key {
        case "dump.keep":
            guard let number = Int(value), (1...100_000).contains(number) else {
                throw fail("a number from 1 to 100000")
            }
            dumpsKept = number
        case "store.interval":
            guard let time = Self.duration(value), (100_000_000...5_000_000_000).contains(time) else {
                throw fail("a time from 100ms to 5s")
            }
            storeInterval = time
        case "batch.interval":
            guard let time = Self.duration(value), (1_000_000...1_000_000_000).contains(time) else {
                throw fail("a time from 1ms to 1s")
            }
            batchInterval = time
        case "memory.limit":
            guard let size = Self.size(value), (64 << 20...1 << 40).contains(size) else {
                throw fail("a size of at least 64MiB")
            }
            memoryLimit = size
        case "retention":
            if value == "off" {
                retention = nil
                break
            }
            guard let time = Self.days(value), (3_600_000_000_000...Self.longestRetention).contains(time)
            else {
                throw fail("'off' or a time from 1h to 10000d")
            }
            retention = time
        case "fanotify.queue":
            if value == "unlimited" {
                queue = .unlimited
            } else if value == "limited" {
                queue = .derived
            } else if let number = Int(value), (1024...1 << 26).contains(number) {
                queue = .events(number)
            } else {
                throw fail("'limited', 'unlimited' or a number of events from 1024")
            }
        case "fanotify.descriptor":
            let types = value.split(whereSeparator: { $0 == " " || $0 == "\t" }).map(String.init)
            guard types.allSatisfy({ $0.utf8.allSatisfy { (33...126).contains($0) } }) else {
                throw fail("types of filesystems, as mount(8) shows them")
            }
            descriptorTypes = Set(types)
        case "tracepoints":
            guard ["on", "off"].contains(value) else { throw fail("'on' or 'off'") }
            tracepoints = value == "on"
        case "processes":
            guard ["yes", "no"].contains(value) else { throw fail("'yes' or 'no'") }
            processes = value == "yes"
        default:
            throw StartError("\(place): unknown key '\(key)'")
        }
    }

    /// A whole number with a unit: `10ms`, `3s`.
    private static func duration(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits), number <= 1_000_000_000 else { return nil }
        switch trim(text[digits.endIndex...]) {
        case "us": return number * 1000
        case "ms": return number * 1_000_000
        case "s": return number * 1_000_000_000
        default: return nil
        }
    }

    private static let longestRetention: UInt64 = 864_000_000_000_000_000

    /// A whole number with a unit: `12h`, `90d`.
    private static func days(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits), number <= 1_000_000 else { return nil }
        switch trim(text[digits.endIndex...]) {
        case "h": return number * 3_600_000_000_000
        case "d": return number * 86_400_000_000_000
        default: return nil
        }
    }

    /// A whole number with a unit: `256MiB`, `2GiB`.
    private static func size(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits), number <= 1 << 30 else { return nil }
        switch trim(text[digits.endIndex...]) {
        case "MiB": return number << 20
        case "GiB": return number << 30
        default: return nil
        }
    }

    private static func trim(_ text: some StringProtocol) -> String {
        let blank: Set<Character> = [" ", "\t", "\r"]
        let head = text.drop { blank.contains($0) }
        var tail = Substring(head)
        while let last = tail.last, blank.contains(last) { tail.removeLast() }
        return String(tail)
    }
}
