import Glibc

extension InputFile {
    /// A file of which the first piece has been read, so that it can be told what it is.
    final class Begun {
        let name: String
        private let file: InputFile
        /// The first piece.
        private(set) var head: [UInt8]

        init(path: String) throws {
            let file = try InputFile(path: path)
            name = file.name
            var head: [UInt8] = []
            // A pipe gives what it has; a few bytes tell the form.
            while head.count < 16, let piece = try file.piece(upTo: 1 << 16) { head += piece }
            self.file = file
            self.head = head
        }

        /// Bytes of a regular file; `nil` for a pipe.
        var size: Int? { file.size }

        /// Lends the file's bytes in large pieces, once.
        func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
            try head.withUnsafeBytes { try body($0) }
            head = []
            try file.forEachPiece(body)
        }
    }
}
