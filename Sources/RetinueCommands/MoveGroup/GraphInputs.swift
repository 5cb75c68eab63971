import Glibc
import MoveGroup
import Records

/// The files that a graph is joined from.
struct GraphInputs {
    /// What a file is, told by its first bytes.
    enum Form { case dump, store, list }

    let paths: [String]
    let isLenient: Bool

    /// Reads all of them. Dumps and stores come first, whatever the order, since they tell the addresses
    /// by which lists name hosts.
    func read(into builder: inout GraphBuilder) throws {
        var lists: [InputFile.Begun] = []
        for path in paths {
            let input = try InputFile.Begun(path: path)
            switch Self.form(input.head) {
            case .dump: try addDump(input, to: &builder)
            case .store: throw Failure("\(path) is a store", status: ExitStatus.badInput)
            case .list: lists.append(input)
            }
        }
        for list in lists { try addList(list, to: &builder) }
    }

    private static func form(_ head: [UInt8]) -> Form {
        if head.starts(with: "SQLite format 3\0".utf8) { return .store }
        let first = head.first { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }
        return first == UInt8(ascii: "{") ? .dump : .list
    }

    private func addDump(_ input: InputFile.Begun, to builder: inout GraphBuilder) throws {
        var reader = DumpReader()
        do {
            try input.forEachPiece { try reader.feed($0) }
            builder.add(try reader.finish(), from: input.name)
        } catch let error as DumpError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private func addList(_ input: InputFile.Begun, to builder: inout GraphBuilder) throws {
        var reader = ListReader(input.name, into: &builder, strictness: isLenient ? .lenient : .strict)
        do {
            var read = 0
            try input.forEachPiece { piece in
                try reader.feed(piece, into: &builder)
                if read == 0, let size = input.size {
                    reader.expect(bytes: size, read: piece.count, into: &builder)
                }
                read += piece.count
            }
            try reader.finish(into: &builder)
        } catch let error as ListError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }
}
