/// The lines of a dump's tombstones, which a reader of dumps checks and drops.
package struct TombstoneLines {
    private static let start = Array("{\"type\":\"tombstone\"".utf8)
    private(set) var lines: [[UInt8]] = []
    /// The line so far; `nil` where it is none.
    private var line: [UInt8]? = []

    package init() {}

    /// Takes the next piece, which may end anywhere.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: 0x0a)
            if var line {
                line += rest[..<(end ?? rest.endIndex)]
                let compared = min(line.count, Self.start.count)
                self.line = line.prefix(compared) == Self.start.prefix(compared) ? line : nil
            }
            guard let end else { return }
            self.end()
            rest = rest[(end + 1)...]
        }
    }

    private mutating func end() {
        if let line, line.count > Self.start.count { lines.append(line) }
        line = []
    }

    /// All of them; the last line need not end with a newline.
    package consuming func finish() -> [[UInt8]] {
        end()
        return lines
    }
}

/// Tombstones as what they were: a reader of dumps makes no records of them.
package enum Tombstones {
    private static let type = Array("\"type\":\"tombstone\"".utf8)
    private static let change = Array(",\"change\":".utf8)

    /// A dump of what went. Only what makes each record that record is true of it.
    package static func asDump(
        _ tombstones: [[UInt8]], _ header: DumpHeader
    ) throws(DumpError) -> DumpContents {
        var header = header
        header.contents = nil
        var reader = DumpReader()
        try reader.feed(header.line + [0x0a])
        for line in tombstones { try reader.feed(dependency(line) + [0x0a]) }
        return try reader.finish()
    }

    /// The line with what a dependency has beside: the daemon writes a tombstone's keys in one order, `change` last.
    private static func dependency(_ line: [UInt8]) -> [UInt8] {
        guard let type = line.firstRange(of: type), let change = line.ranges(of: change).last else {
            return line
        }
        func isRelation(_ name: String) -> Bool {
            line.firstRange(of: Array("\"relation\":\"\(name)\"".utf8)) != nil
        }
        let time = "\"1970-01-01T00:00:00Z\""
        var text = isRelation("file") ? ",\"kind\":\"regular\",\"access\":\"r\"" : ""
        if isRelation("connect") || isRelation("accept") { text += ",\"sent\":0,\"received\":0" }
        text += ",\"evidence\":\"exact\",\"count\":1,\"first\":\(time),\"last\":\(time)"
        var dependency = Array(line[..<type.lowerBound])
        dependency += Array("\"type\":\"dependency\"".utf8)
        dependency += line[type.upperBound..<change.lowerBound]
        dependency += Array(text.utf8)
        dependency += line[change.lowerBound...]
        return dependency
    }
}
