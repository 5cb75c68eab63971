import CLinux
import Foundation
import SystemCalls
import Testing

/// Both ends of a pipe whose reading end does not block.
struct Pipe: ~Copyable {
    let output: FileDescriptor
    let input: FileDescriptor

    init(blocking: Bool = false) {
        var ends: [Int32] = [0, 0]
        let flags = blocking ? O_CLOEXEC : O_CLOEXEC | O_NONBLOCK
        precondition(pipe2(&ends, flags) == 0)
        output = FileDescriptor(owning: ends[0])
        input = FileDescriptor(owning: ends[1])
    }

    /// Writes bytes into it.
    borrowing func put(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try input.writeAll($0) }
    }

    /// Reads once, as much as `room` takes.
    borrowing func get(_ room: Int = 16) throws -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: room)
        guard let count = try bytes.withUnsafeMutableBytes({ try output.read(into: $0) }) else { return nil }
        return Array(bytes.prefix(count))
    }
}

/// Whether a descriptor is open and closes itself at exec.
func closesOnExec(_ number: Int32) -> Bool {
    let flags = fcntl(number, F_GETFD)
    return flags >= 0 && flags & FD_CLOEXEC != 0
}

/// Device and inode of what a number stands for now; `nil` if it is closed.
func identity(_ number: Int32) -> [UInt64]? {
    var status = stat()
    guard fstat(number, &status) == 0 else { return nil }
    return [UInt64(status.st_dev), UInt64(status.st_ino)]
}

/// Runs `body` with the path of a new folder and removes the folder.
func withFolder(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/retinue-test-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
}
