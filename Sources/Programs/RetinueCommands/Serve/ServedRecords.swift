import ArgumentParser
import Control
import Glibc
import MoveGroup

/// Why a question of a server's client has no answer.
package struct AnswerError: Error, Equatable, Sendable {
    /// What it is about.
    package enum Reason: Sendable {
        /// A name that means nothing.
        case unknown
        /// A name that means several.
        case ambiguous
        /// What is asked about does not move with the program.
        case noMember
        /// The group has nothing that a plan could be of.
        case nothingToPlan
        /// No records can be had now.
        case unavailable
    }
    package var reason: Reason
    /// A sentence.
    package var message: String
    /// Names that may have been meant, as they can be typed.
    package var choices: [String]

    /// Makes one.
    package init(_ reason: Reason, _ message: String, choices: [String] = []) {
        self.reason = reason
        self.message = message
        self.choices = choices
    }

    init(_ failure: Failure, _ reason: Reason) {
        self.init(reason, failure.message, choices: failure.details)
    }
}

/// The records that a server shows, and how groups are computed from them: what `retinue group` takes as options.
package struct ServedRecords: ParsableArguments, Sendable {
    @OptionGroup var options: GroupOptions

    @Option(
        name: .customLong("root"),
        help: ArgumentHelp(
            "Look at a host's files for plans and sizes, where they are mounted; without it at none, this host's neither.",
            valueName: "host=folder"))
    var roots: [HostRoot] = []

    package init() {}

    /// Whether they are those of this host's daemon, of which there is a status.
    package var areDaemons: Bool { options.from.isEmpty }

    /// Reads and joins them.
    package func read() throws(AnswerError) -> ServedGraph {
        do {
            // Who asks may see less than this process: it looks at files only where that was said.
            return try ServedGraph(
                try options.graph(), try options.closure(hasReasons: true),
                HostRoots(given: roots, machineID: nil))
        } catch let failure as Failure {
            throw AnswerError(failure, .unavailable)
        } catch {
            throw AnswerError(.unavailable, "\(error)")
        }
    }

    /// The daemon's status, JSON in its own words.
    package func status() throws(AnswerError) -> [UInt8] {
        do throws(Failure) {
            guard case .status(let text) = try options.daemon.ask(.status) else {
                preconditionFailure("a client gives what was asked for")
            }
            return text
        } catch {
            throw AnswerError(error, .unavailable)
        }
    }

    /// Something that differs once a file that is read was changed or replaced; `nil` for a daemon.
    package func fingerprint() -> [UInt64]? {
        guard !areDaemons else { return nil }
        return (options.from + [options.policy ?? GroupOptions.policyPath]).flatMap { path -> [UInt64] in
            var status = stat()
            guard stat(path, &status) == 0 else { return [0] }
            return [
                UInt64(status.st_dev), UInt64(status.st_ino), UInt64(bitPattern: Int64(status.st_size)),
                UInt64(bitPattern: Int64(status.st_mtim.tv_sec)),
                UInt64(bitPattern: Int64(status.st_mtim.tv_nsec)),
            ]
        }
    }

    /// What the words of a command line stand for that are two where one is meant (`--since -2h`).
    package static func joined(_ arguments: [String]) -> [String] { TimeWindow.joined(arguments) }
}

/// Records that were joined, and never change.
///
/// Whoever reads a graph changes nothing of it, so that any thread may.
package final class ServedGraph: @unchecked Sendable {
    package let graph: DependencyGraph
    private let closure: ClosureOptions
    private let sizes: FileSizeReader
    let roots: HostRoots

    init(_ graph: DependencyGraph, _ closure: ClosureOptions, _ roots: HostRoots) throws(Failure) {
        self.graph = graph
        self.closure = closure
        self.roots = roots
        sizes = try FileSizeReader(graph, roots)
    }

    /// Bytes of a file as it is now; `nil` if it cannot be looked at.
    package func size(of file: NodeID) -> UInt64? { sizes.size(of: file) }

    /// What a question adds to the server's own options. Not `--symmetric`, by which the records are joined otherwise.
    package struct Variation: Equatable, Sendable {
        package var stopAt: [String] = []
        package var include: [String] = []
        package var exclude: [String] = []
        package init() {}
    }

    /// Computes a group, with reasons.
    package func group(
        of program: String, _ variation: Variation = Variation()
    ) throws(AnswerError) -> GroupReport {
        var options = closure
        options.stopAt += variation.stopAt.map { NodePattern($0) }
        options.include += variation.include.map { NodePattern($0) }
        options.exclude += variation.exclude.map { NodePattern($0) }
        let start = try asking(program) { try NodeChoice(graph).start(for: program) }
        return GroupReport(graph.moveGroup(of: start, options))
    }

    /// The members of a group that a name means.
    package func members(
        _ member: String, of program: String, in report: GroupReport
    ) throws(AnswerError) -> [NodeID] {
        let question = WhyQuestion(program: program, member: member)
        let asked = try asking(member) { try question.asked(report.group) }
        let members = asked.filter { report.group.contains($0) }
        guard members.isEmpty else { return members }
        let failure = question.absence(of: asked, from: report.group)
        throw AnswerError(.noMember, Self.sentence(failure), choices: asked.count > 1 ? names(asked) : [])
    }

    /// The name that means just this node: host, path, workload.
    package func name(_ node: NodeID) -> String { NodeName(graph, node).exact }

    private func asking(_ name: String, _ body: () throws -> [NodeID]) throws(AnswerError) -> [NodeID] {
        do {
            return try body()
        } catch let failure as Failure {
            // Names as they are, where a command line would put them in quotes for a shell.
            switch name.isEmpty ? .nothing(nearest: []) : graph.select(NodePattern(name)) {
            case .ambiguous(let nodes):
                throw AnswerError(.ambiguous, Self.sentence(failure), choices: names(nodes))
            case .nothing(let nearest):
                throw AnswerError(.unknown, Self.sentence(failure), choices: names(nearest))
            case .found: throw AnswerError(.unknown, Self.sentence(failure))
            }
        } catch {
            throw AnswerError(.unknown, "\(error)")
        }
    }

    /// More choices help nobody.
    private func names(_ nodes: [NodeID]) -> [String] { nodes.map(name).sorted().prefix(20).map { $0 } }

    /// What stands before a list of names, without it.
    private static func sentence(_ failure: Failure) -> String {
        failure.message.hasSuffix(":") ? String(failure.message.dropLast()) : failure.message
    }
}
