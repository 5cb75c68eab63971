/// Where the commas of a row of four plain columns lie, and its LF.
struct PlainRow {
    var first = 0
    var second = 0
    var third = 0
    /// Offset of the LF.
    var lineEnd = 0
    /// Bytes of the fourth column's end: before the LF, or CR LF.
    var end = 0

    /// Splits the row that begins at `row`; `nil` if it is anything else, or its end is not there.
    ///
    /// Commas, quotes and line ends are among the few characters below `-`, which eight bytes together are
    /// asked for at once; paths and addresses have hardly any others of them.
    @inline(__always)
    init?(_ row: UnsafeRawPointer, available: Int) {
        var commas = 0
        var offset = 0
        while offset < available {
            var marks: UInt64
            if offset + 8 <= available {
                let word = UInt64(littleEndian: row.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                // A borrow may mark a byte too many above a mark, never one too few.
                marks = (word &- 0x2d2d_2d2d_2d2d_2d2d) & ~word & 0x8080_8080_8080_8080
            } else {
                marks = 0x8080_8080_8080_8080 >> UInt64(64 - 8 * (available - offset))
            }
            while marks != 0 {
                let at = offset + marks.trailingZeroBitCount / 8
                marks &= marks - 1
                switch row.load(fromByteOffset: at, as: UInt8.self) {
                case 0x2c:
                    switch commas {
                    case 0: first = at
                    case 1: second = at
                    case 2: third = at
                    default: return nil
                    }
                    commas += 1
                case 0x22: return nil
                case 0x0a:
                    guard commas == 3 else { return nil }
                    lineEnd = at
                    let isCR = row.load(fromByteOffset: at - 1, as: UInt8.self) == 0x0d
                    end = isCR ? at - 1 : at
                    return
                default: break
                }
            }
            offset += 8
        }
        return nil
    }
}
