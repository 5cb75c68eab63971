import ArgumentParser
import Glibc
import MoveGroup
import Records
import SystemCalls

struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract:
            "Make an index of a dependency list, by which a small group of a long list is found at once.",
        usage: "retinue index <file> ...",
        discussion: """
            Writes FILE.retinue-index beside each FILE. retinue group --from FILE then reads only the rows of what is \
            connected with the program, if that is named with its whole path and the rows are few; the answer is the \
            same. An index is of one state of one file: once that has changed it is not used, and retinue group says so. \
            It is used only if it is the list's owner's, the caller's or root's.

            A list has an index if each row says by itself what depends on what: rows with quotes, with sockets that \
            have to be paired (tcp:PORT), or with hosts in other than ASCII have none, and the list is read whole.

            Examples:
              retinue index list.csv
              retinue group 10.0.0.1:/opt/ap --from list.csv --symmetric --format csv

            Exit status: 0 success; 1 the index cannot be written, or a wrong command line; 2 a list that is not what it \
            should be, or can have no index.
            """)

    @Argument(
        help: ArgumentHelp("Dependency lists, each in a file of its own.", valueName: "file"),
        completion: .file())
    var files: [String]

    func run() throws {
        for path in files {
            let summary = try Self.index(path)
            try Output.standard.write(
                "\(path + ListIndex.suffix): \(Quantity.counted(summary.rows, "row")), "
                    + "\(Quantity.counted(summary.nodes, "name")), "
                    + "\(Quantity.counted(summary.components, "component"))\n")
        }
    }

    private static func index(_ path: String) throws -> ListIndex.Summary {
        let input = try InputFile.Begun(path: path)
        guard path != "-", let size = input.size else {
            throw Failure("\(input.name) is no regular file", status: ExitStatus.badInput)
        }
        switch InputForm(head: input.head) {
        case .list: break
        case .foreign(let problem): throw Failure("\(path) \(problem)", status: ExitStatus.badInput)
        case .dump, .store:
            throw Failure(
                "\(path) is no dependency list; only lists have an index", status: ExitStatus.badInput)
        }
        let index = path + ListIndex.suffix
        try refuseForeign(index)
        do {
            var summary: ListIndex.Summary?
            try OutputFile.write(to: index) { output in
                summary = try input.head.withUnsafeBytes { head in
                    try ListIndex.make(
                        of: input.number, head: head, at: input.position - head.count, size: size
                    ) { try output.write($0) }
                }
            }
            guard let summary else { throw Failure("cannot write \(index)") }
            return summary
        } catch let refusal as ListIndex.Refusal {
            throw Failure("\(path) \(text(of: refusal))", status: ExitStatus.badInput)
        }
    }

    /// Writes over nothing but an index.
    private static func refuseForeign(_ path: String) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFREG, let file = try? FileDescriptor.open(path, O_RDONLY),
            ListIndex.isOne(file.number)
        else {
            throw Failure("\(path) is there and is no index; move it away")
        }
    }

    private static func text(of refusal: ListIndex.Refusal) -> String {
        switch refusal {
        case .size: "is too short for an index, or too long"
        case .rows:
            "can have no index: every row has to be plain, without quotes and sockets (retinue index --help)"
        case .changed: "was written to while it was read; try again"
        }
    }
}
