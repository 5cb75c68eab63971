import Glibc

/// Walks over lines, without copying them.
struct Lines {
    let bytes: UnsafeRawBufferPointer
    private var offset = 0
    /// Number of the line that was given last, from 1.
    private(set) var number = 0
    /// Whether the last line lacked its newline: dpkg writes none such.
    private(set) var isCutOff = false

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// The next line without its newline, as offsets; `nil` at the end.
    mutating func next() -> Range<Int>? {
        guard offset < bytes.count else { return nil }
        let start = offset
        number += 1
        if let end = memchr(bytes.baseAddress! + start, 0x0a, bytes.count - start) {
            let length = UnsafeRawPointer(end) - (bytes.baseAddress! + start)
            offset = start + length + 1
            return start..<start + length
        }
        offset = bytes.count
        isCutOff = true
        return start..<bytes.count
    }
}

extension UInt8 {
    /// Whether it is a space or a tab.
    var isBlank: Bool { self == 0x20 || self == 0x09 }
}

extension BidirectionalCollection<UInt8> {
    /// Without spaces and tabs around it.
    var trimmed: SubSequence {
        var rest = self[...]
        while let first = rest.first, first.isBlank { rest = rest.dropFirst() }
        guard let last = rest.indices.reversed().first(where: { !rest[$0].isBlank }) else {
            return rest.prefix(0)
        }
        return rest[...last]
    }

    /// As text, for people and for names that were checked to be ASCII.
    var text: String { String(decoding: self, as: UTF8.self) }

    /// Whether these are the bytes of a text.
    func isText(_ text: StaticString) -> Bool {
        elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
