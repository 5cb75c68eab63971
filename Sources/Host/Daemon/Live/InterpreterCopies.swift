import Observation
import Procfs
import Synchronization
import SystemCalls

/// Interpreters under other names: a copy is known by the identity that its linker gave it (the build ID, a note in its
/// first page), which is that of an interpreter of this host.
final class InterpreterCopies: Sendable {
    /// Those of this host.
    static let host = InterpreterCopies()

    private struct Key: Hashable {
        var path: [UInt8]
        var device: UInt64
        var inode: UInt64
        /// It may have been written anew.
        var changed: UInt64
    }

    private struct State {
        /// Interpreters of the host by their build IDs; `nil` until the first executable has to be looked at.
        var originals: [[UInt8]: [UInt8]]?
        /// What executables turned out to be; `nil` for none.
        var known: [Key: [UInt8]?] = [:]
    }

    private let state = Mutex(State())
    private static let limit = 2048
    /// Where interpreters lie under their own names.
    private static let folders = ["/usr/bin", "/usr/local/bin"]

    /// The path of the interpreter that a process's executable is a copy of; `nil` for what is none.
    func original(of executable: [UInt8], _ process: borrowing ProcessDirectory, _ files: FileAccess)
        -> [UInt8]?
    {
        guard let status = process.executableStatus() else { return nil }
        let key = Key(path: executable, device: status.device, inode: status.inode, changed: status.changed)
        if let known = state.withLock({ $0.known[key] }) { return known }
        let head = files.head(of: Array("/proc/\(process.pid)/exe".utf8), status, limit: 4096)
        let answer = head.flatMap(BuildID.init(in:)).flatMap { originals(files)[$0.bytes] }
        state.withLock { state in
            if state.known.count >= Self.limit { state.known.removeAll() }
            state.known[key] = .some(answer)
        }
        return answer
    }

    private func originals(_ files: FileAccess) -> [[UInt8]: [UInt8]] {
        if let originals = state.withLock({ $0.originals }) { return originals }
        var originals: [[UInt8]: [UInt8]] = [:]
        for folder in Self.folders {
            for name in Interpreter.names + ["python3", "busybox"] {
                let path = Array("\(folder)/\(name)".utf8)
                guard let head = files.head(ofFile: path, limit: 4096), let identity = BuildID(in: head)
                else {
                    continue
                }
                originals[identity.bytes] = path
            }
        }
        state.withLock { $0.originals = originals }
        return originals
    }
}

/// The note `NT_GNU_BUILD_ID` of an ELF file; see elf(5).
struct BuildID: Equatable {
    var bytes: [UInt8]

    /// Finds it in the first bytes of a file, of this machine's byte order and 64 bits.
    init?(in head: [UInt8]) {
        guard head.count >= 64, head.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return nil }
        func number<Value: FixedWidthInteger>(_ offset: Int, _: Value.Type) -> Int? {
            guard offset >= 0, offset <= head.count - MemoryLayout<Value>.size else { return nil }
            let value = head.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
            return Int(exactly: Value(littleEndian: value))
        }
        guard let table = number(32, UInt64.self), let size = number(54, UInt16.self),
            let count = number(56, UInt16.self), table < head.count
        else { return nil }
        for index in 0..<count {
            let entry = table + index * size
            guard let type = number(entry, UInt32.self) else { return nil }
            guard type == 4 else { continue }  // PT_NOTE
            guard let start = number(entry + 8, UInt64.self), let length = number(entry + 32, UInt64.self),
                start < head.count
            else { continue }
            let end = start + min(length, head.count - start)
            var place = start
            while place < end, let name = number(place, UInt32.self),
                let size = number(place + 4, UInt32.self),
                let kind = number(place + 8, UInt32.self)
            {
                let description = place + 12 + (name + 3) & ~3
                guard description <= end, size <= end - description else { break }
                if kind == 3, name == 4, head[(place + 12)..<(place + 16)].elementsEqual("GNU\0".utf8),
                    size > 0
                {
                    bytes = Array(head[description..<description + size])
                    return
                }
                place = description + (size + 3) & ~3
            }
        }
        return nil
    }
}
