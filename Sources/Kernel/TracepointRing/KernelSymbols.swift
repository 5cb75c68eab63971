import Glibc
import SystemCalls

/// Where functions of the running kernel lie, from `/proc/kallsyms`.
///
/// The addresses are real only for a reader with `CAP_SYSLOG`, and not where `kernel.kptr_restrict` is 2.
struct KernelSymbols: Sendable {
    private var ranges: [String: Range<UInt64>] = [:]
    private var wanted: Wanted
    /// The function whose beginning was met and not yet its end.
    private var open: (name: String, start: UInt64)?

    /// Reads the functions of these names, of four bytes or more; those that the kernel does not have are left out. The kernel
    /// takes a tenth of a second to make its list, some megabytes, of which there is no reading a part: for the start alone,
    /// and best beside something else.
    init(_ names: [String]) throws(SystemError) {
        let file = try FileDescriptor.open("/proc/kallsyms", O_RDONLY)
        let number = file.number
        try self.init(names) { buffer throws(SystemError) in
            while true {
                let count = read(number, buffer.baseAddress!, buffer.count)
                if count >= 0 { return count }
                if errno != EINTR { throw SystemError("read") }
            }
        }
    }

    /// Reads a list that comes piece by piece.
    ///
    /// - Parameter read: fills some of a buffer, and returns how many bytes; 0 at the end.
    init<Failure>(
        _ names: [String], _ read: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) {
        wanted = Wanted(names)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 8)
        defer { buffer.deallocate() }
        var kept = 0
        while !isComplete {
            // A line that fills the buffer is none of these.
            if kept == buffer.count { kept = 0 }
            let count = try read(UnsafeMutableRawBufferPointer(rebasing: buffer[kept...]))
            if count == 0 { break }
            let text = UnsafeRawBufferPointer(rebasing: buffer[..<(kept + count)])
            let used = take(linesOf: text)
            kept = text.count - used
            memmove(buffer.baseAddress!, buffer.baseAddress! + used, kept)
        }
    }

    /// Whether this reader is given addresses: the list begins with zeros where it is not.
    static func areShown() throws(SystemError) -> Bool {
        let file = try FileDescriptor.open("/proc/kallsyms", O_RDONLY)
        return try file.readOnce(limit: 4096).prefix(16).contains { $0 != UInt8(ascii: "0") }
    }

    private var isComplete: Bool { wanted.names.isEmpty && open == nil }

    /// Takes in the whole lines of some text, and returns how many bytes they are.
    private mutating func take(linesOf text: UnsafeRawBufferPointer) -> Int {
        var start = 0
        while start < text.count, let newline = memchr(text.baseAddress! + start, 10, text.count - start) {
            let end = text.baseAddress!.distance(to: newline)
            take(UnsafeRawBufferPointer(rebasing: text[start..<end]))
            start = end + 1
        }
        return start
    }

    /// Takes one line in: `ADDRESS TYPE NAME`, sorted by address, and behind a tabulator the module. A function ends where
    /// the next symbol begins.
    private mutating func take(_ line: UnsafeRawBufferPointer) {
        let digits = 2 * MemoryLayout<UInt>.size
        let isWanted = line.count > digits + 3 && wanted.mayBe(line, from: digits + 3)
        guard open != nil || isWanted, line.count > digits,
            let address = UInt64(String(decoding: line[..<digits], as: UTF8.self), radix: 16), address != 0
        else { return }
        if let function = open, address > function.start {
            ranges[function.name] = function.start..<address
            open = nil
        }
        guard open == nil, isWanted, let name = wanted.take(line, from: digits + 3) else { return }
        open = (name, address)
    }

    /// The addresses of a function; `nil` where it is not known.
    subscript(name: String) -> Range<UInt64>? { ranges[name] }

    /// Names that are yet to be met.
    private struct Wanted: Sendable {
        private(set) var names: [String]
        /// Their first four bytes: nearly all of more than a hundred thousand lines are passed over by them.
        private var heads: [UInt32]

        init(_ names: [String]) {
            precondition(names.allSatisfy { $0.utf8.count >= 4 })
            self.names = names
            heads = names.map { name in Array(name.utf8).withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
            }
        }

        func mayBe(_ line: UnsafeRawBufferPointer, from start: Int) -> Bool {
            line.count >= start + 4
                && heads.contains(line.loadUnaligned(fromByteOffset: start, as: UInt32.self))
        }

        /// The name that the rest of a line is, which is not looked for any more.
        mutating func take(_ line: UnsafeRawBufferPointer, from start: Int) -> String? {
            let rest = line[start...]
            let name = rest[..<(rest.firstIndex(of: UInt8(ascii: "\t")) ?? rest.endIndex)]
            guard let index = names.firstIndex(where: { name.elementsEqual($0.utf8) }) else { return nil }
            heads.remove(at: index)
            return names.remove(at: index)
        }
    }
}
