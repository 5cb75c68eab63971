import Foundation
import TestSupport

/// What the oracle has to know of the files themselves; a test gives its own.
struct FileWorld: Sendable {
    enum Kind { case regular, directory, other, gone }

    /// The path without symbolic links.
    var realPath: @Sendable (String) -> String
    /// The first bytes of a file.
    var head: @Sendable (String) -> [UInt8]
    /// The type of the file that is there now.
    var kind: @Sendable (String) -> Kind
    /// Mount points under which nothing counts: the kernel's answers, which no host can move.
    var excluded: [String]

    /// The host's files. Ask after the workload and before its files go.
    static func host() throws -> FileWorld {
        FileWorld(
            realPath: { TestSupport.realPath($0) },
            head: { path in
                guard let file = FileHandle(forReadingAtPath: path) else { return [] }
                defer { try? file.close() }
                return Array((try? file.read(upToCount: 4096)) ?? Data())
            },
            kind: { path in
                var status = stat()
                guard lstat(path, &status) == 0 else { return .gone }
                switch status.st_mode & S_IFMT {
                case S_IFREG: return .regular
                case S_IFDIR: return .directory
                default: return .other
                }
            },
            excluded: try MountLine.pseudoPoints())
    }

    func isExcluded(_ path: String) -> Bool {
        excluded.contains { path == $0 || path.hasPrefix($0 + "/") }
    }

    /// What the kernel makes of `execve` of a path: the program and the files that are executed.
    func image(of path: String, arguments: [[UInt8]]) -> (program: ProgramName, executed: [String]) {
        var executed = [realPath(path)]
        var script: String?
        // A script may name a script as its interpreter; the kernel follows five times.
        for _ in 0..<5 {
            guard let interpreter = hashBang(executed.last!) else { break }
            if script == nil { script = executed[0] }
            executed.append(realPath(interpreter))
        }
        let executable = executed.last!
        // With `#!/usr/bin/env python3`, env is only on its way: the script is that of its next exec.
        if executable.hasSuffix("/env") { script = nil }
        if let linker = elfInterpreter(executable) { executed.append(realPath(linker)) }
        return (ProgramName(executable: executable, script: script), executed)
    }

    private func hashBang(_ path: String) -> String? {
        let bytes = head(path)
        guard bytes.starts(with: "#!".utf8) else { return nil }
        let line = bytes.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self).split(separator: " ").first.map(String.init)
    }

    /// `PT_INTERP` of a 64-bit little-endian ELF file (elf(5)).
    private func elfInterpreter(_ path: String) -> String? {
        let bytes = head(path)
        guard bytes.count > 64, bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return nil }
        func number(at offset: Int, size: Int) -> Int {
            guard offset >= 0, offset + size <= bytes.count else { return 0 }
            return bytes[offset..<(offset + size)].reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        let table = number(at: 32, size: 8)
        let size = number(at: 54, size: 2)
        for index in 0..<number(at: 56, size: 2) {
            let header = table + index * size
            guard number(at: header, size: 4) == 3 else { continue }
            let offset = number(at: header + 8, size: 8)
            guard offset < bytes.count else { return nil }
            return String(decoding: bytes[offset...].prefix { $0 != 0 }, as: UTF8.self)
        }
        return nil
    }
}
