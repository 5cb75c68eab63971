/// A file that a process has mapped into its memory (/proc/PID/maps).
public struct MappedFile: Equatable, Sendable {
    /// The path.
    public var path: [UInt8]
    /// Whether a mapping of it may be executed.
    public var isExecutable: Bool
    /// Whether a shared mapping of it may be written.
    public var isSharedWritable: Bool

    /// Reads `maps`: lines `address perms offset dev inode path`; the path keeps its blanks, a newline
    /// in it shows as `\012`. Anonymous memory, deleted files and `[heap]` and the like are left out.
    ///
    /// - Parameter sharedWritable: leave out all but shared mappings that may be written, at little cost.
    public static func parse(_ bytes: [UInt8], sharedWritable: Bool = false) -> [MappedFile] {
        var files: [MappedFile] = []
        var positions: [[UInt8]: Int] = [:]
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if sharedWritable, !isSharedWritable(line) { continue }
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count == 6, fields[1].count == 4 else { continue }
            let text = fields[5].drop { $0 == UInt8(ascii: " ") }
            guard text.first == UInt8(ascii: "/") else { continue }
            let path = OctalEscapes.decodeNewlines(text)
            if path.suffix(10).elementsEqual(" (deleted)".utf8) { continue }
            let permissions = Array(fields[1])
            let executable = permissions[2] == UInt8(ascii: "x")
            let writable = permissions[1] == UInt8(ascii: "w") && permissions[3] == UInt8(ascii: "s")
            if let position = positions[path] {
                if executable { files[position].isExecutable = true }
                if writable { files[position].isSharedWritable = true }
            } else {
                positions[path] = files.count
                files.append(MappedFile(path: path, isExecutable: executable, isSharedWritable: writable))
            }
        }
        return files
    }

    /// Whether a line, `address rw-s …`, is one of a shared mapping that may be written.
    private static func isSharedWritable(_ line: ArraySlice<UInt8>) -> Bool {
        guard let blank = line.firstIndex(of: UInt8(ascii: " ")), line.endIndex - blank > 4 else {
            return false
        }
        return line[blank + 2] == UInt8(ascii: "w") && line[blank + 4] == UInt8(ascii: "s")
    }
}
