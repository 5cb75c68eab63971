import Glibc
import MoveGroup
import RecordStore
import Records

/// The files that a graph is joined from.
struct GraphInputs {
    let paths: [String]
    /// Whether lines that cannot be read are left out and counted, instead of ending it all.
    let isLenient: Bool

    /// Reads all of them, and says what was left out.
    ///
    /// Dumps and stores come first, whatever the order, since they have the addresses by which lists name
    /// hosts.
    func read(into builder: inout GraphBuilder) throws {
        var lists: [InputFile.Begun] = []
        for path in paths {
            let input = try InputFile.Begun(path: path)
            switch InputForm(head: input.head) {
            case .dump: try addDump(input, to: &builder)
            case .store: try addStore(path, to: &builder)
            case .list: lists.append(input)
            case .foreign(let problem):
                throw Failure("\(input.name) \(problem)", status: ExitStatus.badInput)
            }
        }
        for list in lists { try addList(list, to: &builder) }
    }

    private func addDump(_ input: InputFile.Begun, to builder: inout GraphBuilder) throws {
        var reader = DumpReader(isLenient: isLenient)
        if let size = input.size { reader.expect(bytes: size) }
        var progress = Progress("retinue: reading \(input.name.printable)", total: UInt64(input.size ?? 0))
        var done: UInt64 = 0
        do {
            try input.forEachPiece { piece in
                try reader.feed(piece)
                done += UInt64(piece.count)
                progress.update(done) { "" }
            }
            // A last line without an end is a line, too.
            if isLenient { try reader.feed([0x0a]) }
            let missing = Int(clamping: reader.missingLines)
            let (skipped, first) = (reader.skipped, reader.firstSkipped)
            builder.add(try reader.finish(), from: input.name, skipped: skipped + missing)
            if let first { Self.report(input.name, skipped, first.description) }
            if missing > 0 {
                Diagnostics.say("\(input.name): cut off, \(Quantity.counted(missing, "line")) missing")
            }
        } catch let error as DumpError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private func addStore(_ path: String, to builder: inout GraphBuilder) throws {
        guard path != "-" else {
            throw Failure(
                "standard input is a store, which can be read only where it lies: name the file",
                status: ExitStatus.badInput)
        }
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
            try input.head.withUnsafeBytes { try reader.feed($0, into: &builder) }
            if let size = input.size {
                reader.expect(bytes: size, read: input.position, into: &builder)
                let taken = try reader.takeAhead(
                    input.number, position: input.position, size: size, into: &builder
                ) { taken in
                    progress.update(UInt64(taken)) { "" }
                }
                input.skip(to: taken)
                done = UInt64(taken)
            }
            try input.forEachFurtherPiece { piece in
                try reader.feed(piece, into: &builder)
                done += UInt64(piece.count)
                progress.update(done) { "" }
            }
            try reader.finish(into: &builder)
            if let first = reader.firstSkipped { Self.report(input.name, reader.skipped, first.description) }
        } catch let error as ListError {
            throw Failure("\(input.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private static func report(_ name: String, _ skipped: Int, _ first: String) {
        Diagnostics.say(
            "\(name): skipped \(Quantity.counted(skipped, "line")) that cannot be read; the first: \(first)")
    }
}
