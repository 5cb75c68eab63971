/// A file `PACKAGE.md5sums`: `digest  path`, the path without its first slash.
enum Checksums {
    static func parse(
        _ bytes: UnsafeRawBufferPointer, _ report: (_ line: Int, _ kind: DpkgDamage.Kind) -> Void,
        _ body: (_ path: [UInt8], _ digest: MD5.Digest) -> Void
    ) {
        var lines = Lines(bytes)
        while let line = lines.next() {
            if lines.isCutOff { report(lines.number, .cutOff) }
            var row = bytes[line]
            if row.isEmpty { continue }
            // md5sum(1) says so with a backslash before the digest where it had to escape the name.
            let isEscaped = row.first == UInt8(ascii: "\\")
            if isEscaped { row = row.dropFirst() }
            // `digest  path` for text, `digest *path` for binary.
            guard row.count > 34, let digest = MD5.Digest(hexadecimal: row.prefix(32)),
                row[row.startIndex + 32] == 0x20
            else {
                report(lines.number, .noDigest)
                continue
            }
            var name = row.dropFirst(34)
            if name.starts(with: "./".utf8) { name = name.dropFirst(2) }
            body([UInt8(ascii: "/")] + (isEscaped ? unescape(name) : Array(name)), digest)
        }
    }

    private static func unescape(_ name: some BidirectionalCollection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var isEscape = false
        for byte in name {
            if isEscape {
                result.append(byte == UInt8(ascii: "n") ? 0x0a : byte)
                isEscape = false
            } else if byte == UInt8(ascii: "\\") {
                isEscape = true
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
