import Glibc
import SystemCalls

/// The processors that are online: `perf_event_open` wants them one by one.
struct ProcessorList: Equatable {
    /// Their numbers, ascending.
    let numbers: [Int32]

    /// More than any kernel is built for, so that a hostile list cannot ask for much memory.
    static let limit: Int32 = 1 << 16

    /// Reads the running system's list.
    static func online() throws(SystemError) -> ProcessorList {
        let file = try FileDescriptor.open("/sys/devices/system/cpu/online", O_RDONLY)
        guard let list = ProcessorList(try file.readAll(limit: 1 << 16)) else {
            throw SystemError("read", code: EINVAL)
        }
        return list
    }

    /// Reads the kernel's notation, such as `0-3,8`; `nil` if it is none, or empty.
    init?(_ text: [UInt8]) {
        var numbers = [Int32]()
        let text = text.last == UInt8(ascii: "\n") ? text.dropLast() : text[...]
        for range in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            let ends = range.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
                .map { Int32(String(decoding: $0, as: UTF8.self)) }
            guard ends.count <= 2, let first = ends.first ?? nil, let last = ends.last ?? nil,
                first > numbers.last ?? -1, first <= last, last < Self.limit
            else { return nil }
            numbers.append(contentsOf: first...last)
        }
        if numbers.isEmpty { return nil }
        self.numbers = numbers
    }
}
