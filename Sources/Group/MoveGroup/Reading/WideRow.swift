import Glibc
import Records

/// A row of a list with its fields unquoted.
struct WideRow {
    /// What became of a row.
    enum Outcome {
        /// Its end is not there yet.
        case unfinished
        /// It took so many bytes and lines, and makes no sense.
        case malformed(used: Int, lines: Int)
        /// It took so many bytes and lines.
        case row(used: Int, lines: Int)
    }

    /// The fields one behind another, unquoted.
    private(set) var bytes: [UInt8] = []
    private(set) var ends: [Int] = []

    var count: Int { ends.count }

    func field(_ number: Int) -> ArraySlice<UInt8> {
        bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]]
    }

    /// An empty line.
    var isBlank: Bool { count == 1 && bytes.isEmpty }

    /// The names of the columns.
    var isTitle: Bool {
        let names = (0..<count).map { String(decoding: field($0), as: UTF8.self) }
        return names == Self.columns || names == Self.fourColumns
    }

    static let columns = [
        "host A", "path A", "relation", "access", "host B", "path B", "count", "first", "last",
    ]
    static let fourColumns = ["host A", "path A", "host B", "path B"]

    /// Splits the row that begins at the start of `text`.
    ///
    /// - Parameter firstEnd: offset of the first LF, at which a row without quotes ends.
    mutating func split(_ text: UnsafeRawBufferPointer, firstEnd: Int) -> Outcome {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        var lines = 1
        var offset = 0
        while true {
            // At the start of a field.
            if offset < text.count, text[offset] == 0x22 {
                offset += 1
                while true {
                    guard offset < text.count else { return .unfinished }
                    let byte = text[offset]
                    offset += 1
                    if byte == 0x22 {
                        if offset < text.count, text[offset] == 0x22 {
                            offset += 1
                        } else {
                            break
                        }
                    }
                    if byte == 0x0a { lines += 1 }
                    bytes.append(byte)
                }
            } else {
                var isPlain = true
                while offset < text.count, text[offset] != 0x2c, text[offset] != 0x0a {
                    if text[offset] == 0x22 { isPlain = false }
                    bytes.append(text[offset])
                    offset += 1
                }
                if !isPlain { return malformed(text, offset, lines) }
            }
            guard offset < text.count else { return .unfinished }
            switch text[offset] {
            case 0x2c:
                ends.append(bytes.count)
                offset += 1
            case 0x0a:
                // A line may end with CR LF; here behind a field without quotes.
                if offset > 0, text[offset - 1] == 0x0d, bytes.last == 0x0d { bytes.removeLast() }
                ends.append(bytes.count)
                return .row(used: offset + 1, lines: lines)
            case 0x0d where offset + 1 < text.count && text[offset + 1] == 0x0a:
                // Behind a quoted field, which may end with CR itself.
                ends.append(bytes.count)
                return .row(used: offset + 2, lines: lines)
            case 0x0d where offset + 1 == text.count: return .unfinished
            default: return malformed(text, offset, lines)
            }
        }
    }

    /// Goes on behind the end of the line that makes no sense.
    private func malformed(_ text: UnsafeRawBufferPointer, _ offset: Int, _ lines: Int) -> Outcome {
        guard let base = text.baseAddress, let end = memchr(base + offset, 0x0a, text.count - offset) else {
            return .unfinished
        }
        return .malformed(used: base.distance(to: UnsafeRawPointer(end)) + 1, lines: lines)
    }
}
