import ArgumentParser
import Records
import Text
import SeedForm
import SystemCalls

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Build the dependency list of the published method from records of five calls.",
        usage: "retinue list [<address>=]<file> ... [<options>]",
        discussion: """
            Each FILE holds what one machine did, a line a call in the order of time: open, fork, exec, \
            accept and connect, in the CSV form of the method that Retinue grew from (docs/seed-form.md). \
            ADDRESS names the machine; without it the machine's own side of its connections does. Files of \
            one machine stand one behind the other. - is standard input.

            The list has a row for each two paths of which one depends on the other: address A, path A, \
            address B, path B, each row once, in the order of first appearance. With --format records the \
            rows have nine columns: relation, access, count and times as well, and connections of which \
            only one side is in the records; json has these as objects.

            What could not go into the list is counted on standard error.

            Examples:
              retinue list 10.0.0.1=web.csv 10.0.0.2=db.csv > list.csv
              retinue list web.csv db.csv --format records -o records.csv
              zcat web.csv.gz | retinue list 10.0.0.1=- db.csv

            Exit status: 0 success; 1 a file cannot be read or written; 2 a line is no record, or a \
            machine's address is not known.
            """)

    enum Format: String, OutputFormat {
        case list, records, json
        static let standard = list
    }

    @Argument(
        help: ArgumentHelp("Records of a machine.", valueName: "file"), completion: .file())
    var files: [MachineFile]

    @OptionGroup var form: FormatOptions<Format>
    private var format: Format { form.choice }

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    @Flag(help: "Leave out lines that are no records, and say how many.")
    var lenient = false

    @Flag(help: "Call a program that no record names pid:N, instead of leaving it out.")
    var nameUnknown = false

    func validate() throws {
        guard files.lazy.filter({ $0.path == "-" }).count <= 1 else {
            throw ValidationError("standard input can be read only once")
        }
    }

    func run() throws {
        var options = DependencyListBuilder.Options()
        options.skipsBadLines = lenient
        options.namesUnknown = nameUnknown
        try OutputFile.write(to: output) { output in
            var building = ListBuilding(options, total: total)
            for file in files { try building.read(file) }
            let remarks = building.remarks
            let list = building.finish()
            switch format {
            case .list: try list.writeList { try output.write($0) }
            case .records: try list.writeRecords { try output.write($0) }
            case .json: try Self.writeJSON(list, to: output)
            }
            for remark in remarks + ListRemarks(list.statistics, options, format).sentences {
                Diagnostics.say(remark)
            }
        }
    }

    /// The rows of nine columns as an array of objects, one a line; what is not known of a row is left out.
    private static func writeJSON(_ list: borrowing DependencyList, to output: Output) throws {
        let keys: [StaticString] = [
            "host_a", "path_a", "relation", "access", "host_b", "path_b", "count", "first", "last",
        ]
        var text: [UInt8] = []
        list.writeRecords { text += $0 }
        var out = JSONWriter()
        out.beginArray()
        try CSVRows.each(in: text, of: "the list") { number, fields in
            if number == 1 { return }
            out.beginLine()
            out.object { out in
                for (key, field) in zip(keys, fields) where !field.isEmpty {
                    if let count = key.description == "count"
                        ? UInt64(String(decoding: field, as: UTF8.self)) : nil
                    {
                        out.member(key, number: count)
                    } else {
                        out.member(key, bytes: field)
                    }
                }
            }
            if out.bytes.count > 1 << 18 { try out.handOver { try output.write($0) } }
        }
        out.endArray()
        out.endDocument()
        try out.handOver { try output.write($0) }
    }

    /// Bytes of all files; 0 where a pipe is among them.
    private var total: UInt64 {
        var total: UInt64 = 0
        for file in files {
            guard let size = InputFile.size(of: file.path) else { return 0 }
            total += size
        }
        return total
    }
}

/// An argument that names a file of records and perhaps the address of its machine: `[ADDRESS=]FILE`.
struct MachineFile: ExpressibleByArgument {
    let machine: NetworkAddress?
    let path: String

    /// What stands before the first `=` is an address if it reads as one; else it belongs to the file's
    /// name. A file whose own name begins like that can be written with `./`.
    init?(argument: String) {
        guard !argument.isEmpty else { return nil }
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, let address = NetworkAddress(String(parts[0])) {
            guard !parts[1].isEmpty else { return nil }
            machine = address
            path = String(parts[1])
        } else {
            machine = nil
            path = argument
        }
    }
}

/// What is to be said of a list: what is not in it, and why. Silence means that everything is.
struct ListRemarks {
    let sentences: [String]

    init(
        _ statistics: ListStatistics, _ options: DependencyListBuilder.Options, _ format: ListCommand.Format
    ) {
        var sentences: [String] = []
        let unknown = statistics.unknown
        if unknown.total > 0 {
            let kinds = [
                Self.count(unknown.opens, "open"),
                Self.count(unknown.spawns, "start of a program", "starts of programs"),
                Self.count(unknown.accepts, "accept"), Self.count(unknown.connects, "connect"),
            ].compactMap { $0 }
            let fate = options.namesUnknown ? "named pid:N" : "left out (--name-unknown keeps them)"
            sentences.append("by programs that no record names, \(fate): \(kinds.joined(separator: ", "))")
        }
        if let pairs = Self.count(statistics.pairsLeftOut, "connection") {
            sentences.append("left out since the program at one of its ends is not known: \(pairs)")
        }
        let unpaired = statistics.unpaired
        if unpaired.total > 0 {
            let kinds = [
                Self.count(unpaired.accepts, "accept"), Self.count(unpaired.connects, "connect"),
            ].compactMap { $0 }
            let fate = format == .list ? "left out (--format records has them)" : "written with the address"
            sentences.append(
                "without their other side in the records, \(fate): \(kinds.joined(separator: ", "))")
        }
        self.sentences = sentences
    }

    private static func count(_ number: UInt64, _ one: String, _ many: String? = nil) -> String? {
        number == 0 ? nil : "\(Quantity.grouped(number)) \(number == 1 ? one : many ?? one + "s")"
    }
}

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
