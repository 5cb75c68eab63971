import Records
import SeedForm
import SystemCalls

/// Reads files of records into a builder, all through one buffer.
struct ListBuilding: ~Copyable {
    /// Bytes that are read at a time, behind what is left of the piece before.
    private static let piece = 4 << 20

    private var builder: DependencyListBuilder
    private let buffer = ReadBuffer(count: piece + 2 * SeedRecord.longest)
    private var progress: Progress
    private var done: UInt64 = 0
    /// What is to be said of the files.
    private(set) var remarks: [String] = []

    /// - Parameter total: bytes of all files, for the progress; 0 if that is not known.
    init(_ options: DependencyListBuilder.Options, total: UInt64) {
        builder = DependencyListBuilder(options)
        progress = Progress("retinue: reading", total: total)
    }

    /// Reads a whole file.
    mutating func read(_ argument: MachineFile) throws {
        let file = try InputFile(path: argument.path)
        do {
            try builder.begin(machine: argument.machine)
            try read(file)
            note(try builder.endFile(), file.name)
        } catch let error as SeedError {
            throw Failure("\(file.name): \(error)", status: ExitStatus.badInput)
        }
    }

    private mutating func read(_ file: borrowing InputFile) throws {
        let buffer = buffer.bytes
        var filled = 0
        while true {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
            let count = try file.read(into: room)
            filled += count
            let isEnd = count == 0
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<filled])
            let taken = try builder.read(bytes, isEnd: isEnd)
            if isEnd { return }
            // The beginning of a record whose end comes with the next piece; the places may overlap.
            if taken > 0 { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[taken...])) }
            filled -= taken
            done += UInt64(count)
            let records = builder.recordCount
            progress.update(done) { "\(Quantity.grouped(records)) records" }
        }
    }

    private mutating func note(_ summary: DependencyListBuilder.FileSummary, _ name: String) {
        if let first = summary.firstBadLine {
            let lines =
                summary.badLines == 1
                ? "1 line that is" : "\(Quantity.grouped(summary.badLines)) lines that are"
            remarks.append("\(name): left out \(lines) no record; the first: \(first)")
        }
        if summary.endsWithoutNewline {
            remarks.append(
                "\(name): the last record is taken as it stands, but has no newline behind it: it may be cut off"
            )
        }
    }

    /// The list; what was said of the files is lost with the rest.
    consuming func finish() -> DependencyList { builder.finish() }
}

/// Memory that is read into again and again.
private struct ReadBuffer: ~Copyable {
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) { bytes = .allocate(byteCount: count, alignment: 4096) }

    deinit { bytes.deallocate() }
}
