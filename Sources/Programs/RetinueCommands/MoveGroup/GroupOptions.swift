import ArgumentParser
import Glibc
import MoveGroup
import Records
import SystemCalls

/// What a move group is computed from, and how.
struct GroupOptions: ParsableArguments {
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Dumps, stores and lists of any number of hosts; without it the daemon is asked.",
            valueName: "file"),
        completion: .file())
    var from: [String] = []

    @Flag(help: "Follow every relation both ways and stop nowhere, as the method was published.")
    var symmetric = false

    @Option(
        help: ArgumentHelp(
            "Rules that say where to stop; the default ones follow behind them.", valueName: "file"),
        completion: .file())
    var policy: String?

    @Option(
        name: .customLong("stop-at"),
        help: ArgumentHelp("Let it join and follow nothing beyond.", valueName: "pattern"))
    var stopAt: [String] = []

    @Option(help: ArgumentHelp("Follow it whatever the rules say.", valueName: "pattern"))
    var include: [String] = []

    @Option(help: ArgumentHelp("Do not let it join.", valueName: "pattern"))
    var exclude: [String] = []

    @Flag(help: "Leave out lines that cannot be read, and say how many.")
    var lenient = false

    @Option(
        name: .customLong("clock-skew"),
        help: ArgumentHelp("How far apart the clocks of two hosts may be.", valueName: "seconds"))
    var clockSkew = 5.0

    @OptionGroup var daemon: DaemonOptions

    /// Where rules stand if no file is named.
    static let policyPath = "/etc/retinue/boundary.policy"

    func validate() throws {
        guard clockSkew >= 0, clockSkew <= 86_400 else {
            throw ValidationError("--clock-skew is a number of seconds from 0 to 86400")
        }
        guard from.isEmpty || (daemon.socket == nil && daemon.stateFolder == nil) else {
            throw ValidationError("--from reads files and asks no daemon: give no --socket or --state-dir")
        }
        guard from.count < Int(UInt16.max) else { throw ValidationError("--from takes at most 65,534 files") }
        guard from.lazy.filter({ $0 == "-" }).count <= 1 else {
            throw ValidationError("standard input can be read only once")
        }
    }

    /// Joins the inputs.
    ///
    /// - Throws: `Failure`, with status 2 also for a file that is not there: 1 would be an answer to `why`.
    func graph() throws -> DependencyGraph {
        do {
            return try join()
        } catch let failure as Failure where failure.status == ExitStatus.negative {
            throw Failure(failure.message, details: failure.details, status: ExitStatus.badInput)
        }
    }

    private func join() throws -> DependencyGraph {
        var builder = GraphBuilder()
        if from.isEmpty {
            builder.add(try DumpContents(reading: daemon.askForDump()), from: "the daemon's dump")
        } else {
            try GraphInputs(paths: from, isLenient: lenient).read(into: &builder)
        }
        return builder.finish(
            SocketPairing(clockSkew: UInt64(clockSkew * 1e9), isPermissive: symmetric))
    }

    /// How to close over it.
    ///
    /// - Parameter hasReasons: whether reasons will be asked for.
    func closure(hasReasons: Bool) throws -> ClosureOptions {
        var options = ClosureOptions()
        options.isSymmetric = symmetric
        options.policy = try Self.policy(in: policy)
        options.stopAt = stopAt.map { NodePattern($0) }
        options.include = include.map { NodePattern($0) }
        options.exclude = exclude.map { NodePattern($0) }
        options.prefersEvidence = hasReasons
        return options
    }

    /// Reads the rules.
    ///
    /// - Parameters:
    ///   - named: the file that was named, if one was.
    ///   - defaultPath: the file whose rules hold otherwise, if it is there.
    static func policy(
        in named: String?, otherwise defaultPath: String = policyPath
    ) throws -> BoundaryPolicy {
        let path = named ?? defaultPath
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try FileDescriptor.open(path, O_RDONLY).readAll(limit: 16 << 20)
        } catch {
            if named == nil, error.code == ENOENT { return .standard }
            throw Failure(
                "cannot read the policy \(path): \(SystemError.text(of: error.code))",
                status: ExitStatus.badInput)
        }
        do {
            return try BoundaryPolicy(parsing: String(decoding: bytes, as: UTF8.self), from: path)
        } catch {
            throw Failure(error.description, status: ExitStatus.badInput)
        }
    }

    /// The group of the program that was named.
    func group(of program: String, in graph: DependencyGraph, hasReasons: Bool) throws -> MoveGroup {
        let start = try NodeChoice(graph).nodes(for: program)
        return graph.moveGroup(of: start, try closure(hasReasons: hasReasons))
    }
}
