import Glibc
import SystemCalls

/// Where functions of the running kernel lie, from `/proc/kallsyms`.
///
/// The addresses are real only for a reader with `CAP_SYSLOG`, and not where `kernel.kptr_restrict` is 2.
struct KernelSymbols {
    private var ranges: [String: Range<UInt64>] = [:]

    /// Reads the functions of these names; those that the kernel does not have are left out. One pass over a file of some
    /// megabytes: for the start alone.
    init(_ names: Set<String>) throws(SystemError) {
        let wanted = Set(names.map { Array($0.utf8) })
        let file = try FileDescriptor.open("/proc/kallsyms", O_RDONLY)
        var rest: [UInt8] = []
        var open: (name: String, start: UInt64)?
        while true {
            let chunk = try file.readOnce(limit: 1 << 16)
            if chunk.isEmpty { break }
            rest += chunk
            var start = rest.startIndex
            while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                take(rest[start..<end], wanted, &open)
                start = end + 1
            }
            rest.removeSubrange(..<start)
        }
    }

    /// Takes one line in: `ADDRESS TYPE NAME`, sorted by address. A function ends where the next symbol begins.
    private mutating func take(
        _ line: ArraySlice<UInt8>, _ wanted: Set<[UInt8]>, _ open: inout (name: String, start: UInt64)?
    ) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard parts.count == 3, let address = UInt64(String(decoding: parts[0], as: UTF8.self), radix: 16),
            address != 0
        else { return }
        if let function = open, address > function.start {
            ranges[function.name] = function.start..<address
            open = nil
        }
        guard open == nil, wanted.contains(Array(parts[2])) else { return }
        open = (String(decoding: parts[2], as: UTF8.self), address)
    }

    /// The addresses of a function; `nil` where it is not known.
    subscript(name: String) -> Range<UInt64>? { ranges[name] }
}
