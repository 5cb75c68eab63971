import Glibc

/// Files of the kernel in which each line is a key and a number.
public enum NumberLine {
    /// The number behind a key; `nil` if no line begins with it, or with anything but a number behind it.
    ///
    /// - Parameter key: with all that stands before the number, such as `syscr: `.
    public static func value(_ key: StaticString, in bytes: [UInt8]) -> UInt64? {
        bytes.withUnsafeBytes { bytes in
            var rest = bytes
            while !rest.isEmpty {
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
                let length = key.utf8CodeUnitCount
                if end >= length, memcmp(rest.baseAddress!, key.utf8Start, length) == 0 {
                    return UInt64(decimal: UnsafeRawBufferPointer(rebasing: rest[length..<end]))
                }
                rest = UnsafeRawBufferPointer(rebasing: rest[min(end + 1, rest.count)...])
            }
            return nil
        }
    }
}
