import Glibc

extension InputFile {
    /// A file of which the first piece has been read, so that it can be told what it is.
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
            // A pipe gives what it has; a line or so tells the form.
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
