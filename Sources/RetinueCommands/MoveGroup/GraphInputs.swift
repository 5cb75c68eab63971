import Glibc
import MoveGroup
import RecordStore
import Records

/// The files that a graph is joined from.
struct GraphInputs {
    /// What a file is, told by its first bytes.
    private enum Form { case dump, store, list }

    let paths: [String]
    /// Whether lines that cannot be read are left out and counted, instead of ending it all.
    let isLenient: Bool

    /// Reads all of them, and says what was left out.
    ///
    /// Dumps and stores come first, whatever the order, since they tell the addresses by which lists name
    /// hosts.
    func read(into builder: inout GraphBuilder) throws {
        var lists: [InputFile.Begun] = []
        for path in paths {
            let input = try InputFile.Begun(path: path)
            switch Self.form(input.head) {
            case .dump: try addDump(input, to: &builder)
            case .store: try addStore(path, to: &builder)
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
        var reader = DumpReader(isLenient: isLenient)
        var progress = Progress("retinue: reading \(input.name.printable)", total: UInt64(input.size ?? 0))
        var done: UInt64 = 0
        do {
            try input.forEachPiece { piece in
                try reader.feed(piece)
                done += UInt64(piece.count)
                progress.update(done) { "" }
            }
            let missing = Int(clamping: reader.missingLines)
            let (skipped, first) = (reader.skipped, reader.firstSkipped)
            builder.add(try reader.finish(), from: input.name, skipped: skipped + missing)
            if let first { Self.tell(input.name, skipped, first.description) }
            if missing > 0 {
                Diagnostics.say("\(input.name): cut off, \(Quantity.grouped(missing)) lines are missing")
            }
        } catch let error as DumpError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private func addStore(_ path: String, to builder: inout GraphBuilder) throws {
        do {
            builder.add(try RecordStore.read(path), from: path)
        } catch {
            throw Failure("\(path): \(error)", status: ExitStatus.badInput)
        }
    }

    private func addList(_ input: InputFile.Begun, to builder: inout GraphBuilder) throws {
        var reader = ListReader(input.name, into: &builder, strictness: isLenient ? .lenient : .strict)
        var progress = Progress("retinue: reading \(input.name.printable)", total: UInt64(input.size ?? 0))
        var done: UInt64 = 0
        do {
            try input.forEachPiece { piece in
                try reader.feed(piece, into: &builder)
                if done == 0, let size = input.size {
                    reader.expect(bytes: size, read: piece.count, into: &builder)
                }
                done += UInt64(piece.count)
                progress.update(done) { "" }
            }
            try reader.finish(into: &builder)
            if let first = reader.firstSkipped { Self.tell(input.name, reader.skipped, first.description) }
        } catch let error as ListError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private static func tell(_ name: String, _ skipped: Int, _ first: String) {
        let lines = skipped == 1 ? "1 line" : "\(Quantity.grouped(skipped)) lines"
        Diagnostics.say("\(name): skipped \(lines) that cannot be read; the first: \(first)")
    }
}
