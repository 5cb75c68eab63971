import ArgumentParser
import MoveGroup

/// Which group: a program, the records, and how to follow them.
struct AdviseInputs: ParsableArguments {
    @Argument(help: ArgumentHelp("The program that the group begins with.", valueName: "program"))
    var program: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Dumps and dependency lists; - is standard input.", valueName: "file"),
        completion: .file())
    var from: [String]

    @Flag(help: "Follow every relation both ways and stop nowhere, as the method was published.")
    var symmetric = false

    @Option(
        help: ArgumentHelp("Rules that say where the group ends.", valueName: "file"), completion: .file())
    var policy: String?

    @Option(help: ArgumentHelp("Follow nothing beyond what this names.", valueName: "pattern"))
    var stopAt: [String] = []

    @Option(
        help: ArgumentHelp("Follow what this names though the rules would stop there.", valueName: "pattern"))
    var include: [String] = []

    @Option(help: ArgumentHelp("Leave out what this names.", valueName: "pattern"))
    var exclude: [String] = []

    @Flag(help: "Skip lines that cannot be read.")
    var lenient = false

    /// The group.
    func group() throws -> MoveGroup {
        var builder = GraphBuilder()
        try GraphInputs(paths: from, isLenient: lenient).read(into: &builder)
        let graph = builder.finish(SocketPairing(isPermissive: symmetric))
        var options = ClosureOptions()
        options.isSymmetric = symmetric
        options.stopAt = stopAt.map { NodePattern($0) }
        options.include = include.map { NodePattern($0) }
        options.exclude = exclude.map { NodePattern($0) }
        if let policy { options.policy = try Self.policy(policy) }
        return graph.moveGroup(of: try start(in: graph), options)
    }

    private func start(in graph: DependencyGraph) throws -> [NodeID] {
        func names(_ nodes: [NodeID]) -> String {
            nodes.map { Printable.text(graph.name(of: $0)) }.joined(separator: ", ")
        }
        switch graph.select(NodePattern(program)) {
        case .found(let nodes): return nodes
        case .ambiguous(let nodes): throw Failure("\"\(program)\" may be: \(names(nodes))")
        case .nothing(let nearest):
            let hint = nearest.isEmpty ? "" : "; near to it: \(names(nearest))"
            throw Failure("no program is called \"\(program)\"\(hint)")
        }
    }

    private static func policy(_ path: String) throws -> BoundaryPolicy {
        var bytes: [UInt8] = []
        try InputFile(path: path).forEachPiece { bytes += $0 }
        do {
            return try BoundaryPolicy(parsing: String(decoding: bytes, as: UTF8.self), from: path)
        } catch {
            throw Failure("\(error)", status: ExitStatus.badInput)
        }
    }
}
