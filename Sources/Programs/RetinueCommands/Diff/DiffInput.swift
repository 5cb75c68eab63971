import MovePlan
import RecordStore
import Records

/// One of the two inputs of `retinue diff`, read.
enum DiffInput {
    /// Facts of one form; only what has the same form can be compared.
    case facts(Form, [Fact])
    case plan(Plan)

    enum Form: String {
        /// A dump or a store: the same things in two forms.
        case dump = "a dump"
        case group = "a group (JSON)"
        case groupTable = "a group (CSV)"
        case list = "a dependency list"
    }

    /// Reads a file, whatever its form.
    init(reading path: String) throws {
        let input = try InputFile.Begun(path: path)
        let start = String(decoding: input.head.prefix(512), as: UTF8.self)
        if start.contains("\"retinue-group/1\"") {
            self = .facts(.group, try GroupFacts.facts(parsing: Self.bytes(input), name: input.name))
        } else if start.contains("retinue-plan/") {
            self = .plan(try PlanFile.read(Self.bytes(input), name: input.name))
        } else if start.hasPrefix("host,kind,path,workload") {
            self = .facts(.groupTable, try TableFacts.facts(parsing: Self.bytes(input), name: input.name))
        } else {
            self = try Self.records(input, path)
        }
    }

    private static func records(_ input: InputFile.Begun, _ path: String) throws -> DiffInput {
        switch InputForm(head: input.head) {
        case .list: return .facts(.list, try TableFacts.facts(parsing: bytes(input), name: input.name))
        case .foreign(let problem):
            throw Failure("\(input.name.printable) \(problem)", status: ExitStatus.badInput)
        case .dump:
            var reader = DumpReader()
            if let size = input.size { reader.expect(bytes: size) }
            do {
                try input.forEachPiece { try reader.feed($0) }
                return .facts(.dump, DumpFacts.facts(of: try reader.finish()))
            } catch let error as DumpError {
                throw Failure("\(input.name.printable): \(error)", status: ExitStatus.badInput)
            }
        case .store:
            guard path != "-" else {
                throw Failure("standard input is a store: name the file", status: ExitStatus.badInput)
            }
            do { return .facts(.dump, DumpFacts.facts(of: try RecordStore.read(path))) } catch {
                throw Failure("\(path.printable): \(error)", status: ExitStatus.badInput)
            }
        }
    }

    private static func bytes(_ input: InputFile.Begun) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try input.forEachPiece { bytes += $0 }
        return bytes
    }

    /// What it is, for messages.
    var name: String {
        switch self {
        case .facts(let form, _): form.rawValue
        case .plan: "a plan"
        }
    }
}
