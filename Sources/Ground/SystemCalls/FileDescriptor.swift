import CLinux
import Glibc

/// An open file descriptor with one owner; closed when the owner lets it go.
public struct FileDescriptor: ~Copyable, Sendable {
    /// The descriptor's number; valid as long as this value lives.
    public let number: Int32

    /// Takes over an open descriptor.
    public init(owning number: Int32) {
        precondition(number >= 0)
        self.number = number
    }

    deinit { _ = close(number) }

    /// Opens a path; `O_CLOEXEC` is always added. The corresponding C function is `open`.
    public static func open(
        _ path: String, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> FileDescriptor {
        FileDescriptor(
            owning: try systemCall("open") {
                // Handed to C as it is, a string would be copied into an array first.
                path.withCString { clinux_open($0, flags | O_CLOEXEC, mode) }
            })
    }

    /// Opens a path given as NUL-terminated bytes, which need not be UTF-8.
    public static func open(
        bytes path: [UInt8], _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> FileDescriptor {
        precondition(path.last == 0)
        let number = try systemCall("open") {
            path.withUnsafeBufferPointer { path in
                path.withMemoryRebound(to: CChar.self) {
                    clinux_open($0.baseAddress!, flags | O_CLOEXEC, mode)
                }
            }
        }
        return FileDescriptor(owning: number)
    }

    /// Opens a path relative to this directory. The corresponding C function is `openat`.
    public borrowing func openRelative(
        _ path: String, _ flags: Int32, mode: mode_t = 0
    ) throws(SystemError) -> FileDescriptor {
        let directory = number
        return FileDescriptor(
            owning: try systemCall("openat") {
                path.withCString { clinux_openat(directory, $0, flags | O_CLOEXEC, mode) }
            })
    }

    /// Gives the descriptor away without closing it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }

    /// Reads once into `buffer`; `nil` when there is nothing to read now.
    /// The corresponding C function is `read`.
    public borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        let number = number
        return try systemCallUnlessBlocked("read") { Glibc.read(number, buffer.baseAddress, buffer.count) }
    }

    /// Writes all of `bytes`; for regular files and blocking descriptors.
    public borrowing func writeAll(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        let number = number
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            offset += try systemCall("write") { Glibc.write(number, rest.baseAddress, rest.count) }
        }
    }

    /// Reads once, at most so many bytes: all of a file of procfs that is made in one piece and is no larger.
    public borrowing func readOnce(limit: Int) throws(SystemError) -> [UInt8] {
        let number = number
        var failure: SystemError?
        let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            do throws(SystemError) {
                count = try systemCall("read") { Glibc.read(number, buffer.baseAddress, limit) }
            } catch {
                failure = error
                count = 0
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads a file of procfs that is made in one piece and mostly has less than a kilobyte: then nothing more is allocated
    /// than it has.
    ///
    /// - Parameter limit: bytes after which reading stops; the rest is left unread.
    public borrowing func readBrief(limit: Int) throws(SystemError) -> [UInt8] {
        let number = number
        let room = min(limit, 1024)
        // On the stack: more of it would not be.
        var bytes = try withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) {
            buffer throws(SystemError) -> [UInt8] in
            let count = try systemCall("read") { Glibc.read(number, buffer.baseAddress, room) }
            return Array(buffer[..<count])
        }
        if bytes.count == room, limit > room {
            let next = min(limit - room, 1 << 14)
            bytes += try readOnce(limit: next)
            if bytes.count == room + next, limit > bytes.count {
                bytes += try readAll(limit: limit - bytes.count)
            }
        }
        return bytes
    }

    /// Reads a whole small file (such as those of procfs) in as few calls as it allows.
    ///
    /// - Parameter limit: bytes after which reading stops; the rest is left unread.
    public borrowing func readAll(limit: Int = 1 << 24) throws(SystemError) -> [UInt8] {
        var bytes = [UInt8]()
        var chunk = 4096
        while bytes.count < limit {
            let number = number
            let room = min(chunk, limit - bytes.count)
            var failure: SystemError?
            // Uninitialised memory: a file of procfs is short, and zeros that are overwritten cost more.
            let piece = [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
                do throws(SystemError) {
                    count = try systemCall("read") { Glibc.read(number, buffer.baseAddress, room) }
                } catch {
                    failure = error
                    count = 0
                }
            }
            if let failure { throw failure }
            if piece.isEmpty { break }
            if bytes.isEmpty { bytes = piece } else { bytes.append(contentsOf: piece) }
            chunk = min(chunk * 2, 1 << 20)
        }
        return bytes
    }
}
