import Records

@testable import SeedForm

/// What came of a list's building, as a test looks at it.
struct Built {
    var list: [UInt8] = []
    var records: [UInt8] = []
    var summaries: [DependencyListBuilder.FileSummary] = []
    var statistics = ListStatistics()

    /// The rows of the list.
    var rows: [String] { String(decoding: list, as: UTF8.self).split(separator: "\n").map(String.init) }
    /// The rows of nine columns, without their header.
    var recordRows: [String] {
        String(decoding: records, as: UTF8.self).split(separator: "\n").dropFirst().map(String.init)
    }
}

/// A file of records and the address of its machine, if it is given.
struct RecordFile {
    var machine: NetworkAddress?
    var bytes: [UInt8]

    init(_ machine: String?, _ bytes: [UInt8]) {
        self.machine = machine.flatMap { NetworkAddress($0) }
        self.bytes = bytes
    }

    init(_ machine: String?, _ text: String) { self.init(machine, Array(text.utf8)) }

    init(_ machine: String?, _ records: [SeedRecord]) { self.init(machine, records.csv) }
}

extension [SeedRecord] {
    /// The records as a file.
    var csv: [UInt8] {
        var bytes: [UInt8] = []
        for record in self { record.append(to: &bytes) }
        return bytes
    }
}

/// Builds a list from files that are handed over in pieces of at most so many bytes.
func build(
    _ files: [RecordFile], skipsBadLines: Bool = false, namesUnknown: Bool = false, piece: Int = .max
) throws(SeedError) -> Built {
    var options = DependencyListBuilder.Options()
    options.skipsBadLines = skipsBadLines
    options.namesUnknown = namesUnknown
    var builder = DependencyListBuilder(options)
    var built = Built()
    for file in files {
        try builder.begin(machine: file.machine)
        try feed(file.bytes, to: &builder, piece: piece)
        built.summaries.append(try builder.endFile())
    }
    let list = builder.finish()
    list.writeList(chunk: 64) { built.list.append(contentsOf: $0) }
    list.writeRecords(chunk: 64) { built.records.append(contentsOf: $0) }
    built.statistics = list.statistics
    precondition(list.rowCount == built.list.withoutQuoted.count { $0 == 0x0a })
    return built
}

private func feed(
    _ bytes: [UInt8], to builder: inout DependencyListBuilder, piece: Int
) throws(SeedError) {
    var waiting: [UInt8] = []
    var offset = 0
    while true {
        let end = offset + min(piece, bytes.count - offset)
        waiting += bytes[offset..<end]
        offset = end
        let isEnd = offset == bytes.count
        let taken = try waiting.withUnsafeBufferPointer { pointer throws(SeedError) in
            // Memory of exactly this size: a look behind it would be found by the tools that look for it.
            try builder.read(UnsafeRawBufferPointer(pointer), isEnd: isEnd)
        }
        precondition(taken <= waiting.count && (!isEnd || taken == waiting.count))
        if isEnd { return }
        waiting.removeFirst(taken)
    }
}

extension [UInt8] {
    /// What stands outside quotes.
    fileprivate var withoutQuoted: [UInt8] {
        var isQuoted = false
        return filter { byte in
            if byte == 0x22 { isQuoted.toggle() }
            return !isQuoted
        }
    }
}
