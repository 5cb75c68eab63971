import ArgumentParser
import SeedForm

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
            only one side is in the records.

            What could not go into the list is counted on standard error.

            Examples:
              retinue list 10.0.0.1=web.csv 10.0.0.2=db.csv > list.csv
              retinue list web.csv db.csv --format records -o records.csv
              zcat web.csv.gz | retinue list 10.0.0.1=- db.csv

            Exit status: 0 success; 1 a file cannot be read or written; 2 a line is no record, or a \
            machine's address is not known.
            """)

    enum Format: String, CaseIterable, ExpressibleByArgument { case list, records }

    @Argument(
        help: ArgumentHelp("Records of a machine.", valueName: "file"), completion: .file())
    var files: [MachineFile]

    @Option(help: "What a row has: four columns, or nine.")
    var format = Format.list

    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Write to this file; - is standard output.", valueName: "file"),
        completion: .file())
    var output = "-"

    @Flag(help: "Leave out lines that are no records, and say how many.")
    var lenient = false

    @Flag(help: "Name a program that no record tells pid:N, instead of leaving it out.")
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
            }
            for remark in remarks + ListRemarks(list.statistics, options, format).sentences {
                Diagnostics.say(remark)
            }
        }
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
