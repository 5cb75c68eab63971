import CLinux
import Glibc
import Records
import SystemCalls
import Text

/// Small files of the agent's own, which are whole or not there.
enum SafeFile {
    /// Writes a tree as JSON aside, to the disk, and renames it.
    static func write(_ value: JSONValue, to path: String) throws(MoveError) {
        let begin = Timeline.begin()
        defer { Timeline.end(begin, "file \(path)") }
        var out = JSONWriter()
        out.value(value)
        out.endDocument()
        let bytes = out.bytes
        do throws(SystemError) {
            let file = try FileDescriptor.open(
                path + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode: 0o600)
            try file.writeAll(bytes)
            let number = file.number
            _ = try systemCall("fdatasync") { fdatasync(number) }
            _ = try systemCall("rename") { rename(path + ".new", path) }
        } catch { throw MoveError("\(path): \(error)") }
    }

    /// Reads one; `nil` where there is none.
    static func read(_ path: String) -> JSONValue? {
        guard let bytes = (try? FileDescriptor.open(path, O_RDONLY))?.all else { return nil }
        return try? JSONValue(parsing: bytes)
    }
}

extension FileDescriptor {
    /// Writes all of some bytes, at the position that the descriptor has (write(2)).
    borrowing func writeAll(_ bytes: [UInt8]) throws(SystemError) { try writeAll(bytes[...]) }

    /// See `writeAll`.
    borrowing func writeAll(_ bytes: ArraySlice<UInt8>) throws(SystemError) {
        let number = number
        var offset = 0
        while offset < bytes.count {
            offset += try systemCall("write") {
                bytes.withUnsafeBytes {
                    Glibc.write(number, $0.baseAddress! + offset, bytes.count - offset)
                }
            }
        }
    }
}
