import Glibc
import Records
import SystemCalls

/// A file to be read from its start to its end.
struct InputFile: ~Copyable {
    private let descriptor: FileDescriptor
    /// For messages.
    let name: String

    init(_ descriptor: consuming FileDescriptor, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    /// Opens a file; `-` is standard input.
    init(path: String) throws(Failure) {
        let descriptor: FileDescriptor
        do throws(SystemError) {
            descriptor = try path == "-" ? .standardInput() : .open(path, O_RDONLY)
        } catch {
            throw Failure("cannot open \(path): \(SystemError.text(of: error.code))")
        }
        self.descriptor = descriptor
        name = path == "-" ? "standard input" : path
    }

    /// Lends the file's bytes in large pieces.
    borrowing func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = try read(into: buffer)
            if count == 0 { return }
            try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Reads once; 0 at the end of the file.
    borrowing func read(into buffer: UnsafeMutableRawBufferPointer) throws(Failure) -> Int {
        let number = descriptor.number
        do throws(SystemError) {
            return try systemCall("read") { Glibc.read(number, buffer.baseAddress, buffer.count) }
        } catch {
            throw Failure("cannot read \(name): \(SystemError.text(of: error.code))")
        }
    }

    /// Bytes of a file, of which no end is known before it is read if it is a pipe: `nil`.
    static func size(of path: String) -> UInt64? {
        var status = stat()
        guard path != "-", stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return UInt64(clamping: status.st_size)
    }
}

extension InputFile {
    /// Bytes of a regular file; `nil` for anything else.
    var size: Int? {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Int(status.st_size)
    }

    /// The descriptor, valid as long as this value lives.
    var number: Int32 { descriptor.number }

    /// Reads some bytes; `nil` at the end.
    borrowing func piece(upTo limit: Int) throws(Failure) -> [UInt8]? {
        let number = descriptor.number
        do throws(SystemError) {
            var failure: SystemError?
            let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                do throws(SystemError) {
                    count = try systemCall("read") { Glibc.read(number, buffer.baseAddress, limit) }
                } catch {
                    failure = error
                }
            }
            if let failure { throw failure }
            return bytes.isEmpty ? nil : bytes
        } catch {
            throw Failure("cannot read \(name): \(SystemError.text(of: error.code))")
        }
    }
}

extension FileDescriptor {
    fileprivate static func standardInput() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try systemCall("dup") { dup(0) })
    }
}

extension DumpContents {
    /// Reads a dump in the form `retinue/1`.
    init(reading file: borrowing InputFile) throws {
        var reader = DumpReader()
        do {
            try file.forEachPiece { try reader.feed($0) }
            self = try reader.finish()
        } catch let error as DumpError {
            throw Failure("\(file.name) is not a dump that can be read: \(error)")
        }
    }
}
