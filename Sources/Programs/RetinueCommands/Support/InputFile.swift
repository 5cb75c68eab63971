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

    /// Opens a file or pipe; `-` is standard input.
    init(path: String) throws(Failure) {
        name = path == "-" ? "standard input" : path
        descriptor = try Self.open(path, name)
    }

    private static func open(_ path: String, _ name: String) throws(Failure) -> FileDescriptor {
        let descriptor: FileDescriptor
        do throws(SystemError) {
            descriptor = try path == "-" ? .standardInput() : .open(path, O_RDONLY)
        } catch {
            throw Failure("cannot open \(path): \(SystemError.text(of: error.code))")
        }
        if isDevice(descriptor.number) {
            throw Failure("\(name) is a device; give a file or a pipe", status: ExitStatus.badInput)
        }
        return descriptor
    }

    /// Whether it is a device, which has no end that would come before memory's; neither a terminal nor /dev/null
    /// (1:3), which is as good as an empty file.
    private static func isDevice(_ number: Int32) -> Bool {
        var status = stat()
        guard fstat(number, &status) == 0, isatty(number) == 0 else { return false }
        switch status.st_mode & S_IFMT {
        case S_IFBLK: return true
        case S_IFCHR: return status.st_rdev != 1 << 8 | 3
        default: return false
        }
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
    /// Reads a dump in the form `retinue/2` or `retinue/1`.
    init(reading file: borrowing InputFile) throws {
        var reader = DumpReader()
        if let size = file.size { reader.expect(bytes: size) }
        do {
            try file.forEachPiece { try reader.feed($0) }
            self = try reader.finish()
        } catch let error as DumpError {
            throw Failure("\(file.name) is not a dump that can be read: \(error)")
        }
    }
}

/// What a file is, recognised by its first bytes.
enum InputForm: Equatable {
    case dump, store, list
    /// Nothing that can be read here, and what to do about it.
    case foreign(String)

    init(head: [UInt8]) {
        if let form = Self.known.first(where: { head.starts(with: $0.start) })?.form {
            self = form
        } else if head.isEmpty {
            self = .foreign("is empty: not even a header or the names of columns")
        } else if head.contains(0) {
            self = .foreign("is no dump, no store and no dependency list, which have no NUL bytes")
        } else if Self.isSeed(head) {
            self = .foreign(
                "has records of calls, of which a dependency list must be made first: "
                    + "retinue list FILE... -o list.csv, then --from list.csv")
        } else {
            let first = head.first { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }
            self = first == UInt8(ascii: "{") ? .dump : .list
        }
    }

    private static let known: [(start: [UInt8], form: InputForm)] = [
        (Array("SQLite format 3\0".utf8), .store),
        ([0x1f, 0x8b], compressed("gzip")), ([0x28, 0xb5, 0x2f, 0xfd], compressed("zstd")),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], compressed("xz")), (Array("BZh".utf8), compressed("bzip2")),
        ([0x04, 0x22, 0x4d, 0x18], compressed("lz4")),
    ]

    private static func compressed(_ program: String) -> InputForm {
        .foreign("is compressed; decompress it first: \(program) -dc FILE | retinue ... --from -")
    }

    /// Whether the first line is a record of a call (docs/seed-form.md). That of an open has four columns, as a
    /// list has; but no path is a number.
    private static func isSeed(_ head: [UInt8]) -> Bool {
        let fields = head.prefix { $0 != 0x0a }.split(separator: UInt8(ascii: ","), maxSplits: 2)
        guard fields.count == 3 else { return false }
        switch String(decoding: fields[0], as: UTF8.self) {
        case "open", "fork", "exec": return fields[1].allSatisfy { (0x30...0x39).contains($0) }
        case "accept", "connect": return NetworkAddress(fields[1]) != nil
        default: return false
        }
    }
}

extension InputFile {
    /// A file of which the first piece has been read, so that its form can be recognised.
    final class Begun {
        let name: String
        private let file: InputFile
        /// The first piece.
        private(set) var head: [UInt8]
        /// Bytes of the file that were read for it.
        let position: Int

        init(path: String) throws {
            let file = try InputFile(path: path)
            name = file.name
            var head: [UInt8] = []
            // A pipe gives what it has; a line or so shows the form.
            while head.count < 4096, let piece = try file.piece(upTo: 1 << 16) { head += piece }
            position = head.count
            // Spreadsheets write a byte order mark in front of UTF-8, which belongs to no field.
            if head.starts(with: [0xef, 0xbb, 0xbf]) { head.removeFirst(3) }
            self.file = file
            self.head = head
        }

        /// Bytes of a regular file; `nil` for a pipe.
        var size: Int? { file.size }

        /// Lends the file's bytes in large pieces, once.
        func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            try head.withUnsafeBytes { try body($0) }
            try forEachFurtherPiece(body)
        }

        /// Lends the bytes behind the first piece, once.
        func forEachFurtherPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            head = []
            try file.forEachPiece(body)
        }

        /// The descriptor of a regular file, valid as long as this lives.
        var number: Int32 { file.number }

        /// Goes on behind so many bytes of a regular file.
        func skip(to position: Int) { lseek(file.number, position, SEEK_SET) }
    }
}
