import Foundation
import TestSupport

/// A service as it is found in the field, played by a script of `Tests/Fixtures/stack`, and the daemon that watches it.
final class ServiceStage {
    /// Whether the daemon is there before the service, or comes to one that runs.
    enum Order: CaseIterable {
        case daemonFirst
        case daemonLast
    }

    let files: ScratchFilesystem
    /// The folder in which the service lies.
    let folder: String
    let group: ControlGroup
    private let play: Child
    private let daemon: DaemonUnderTest
    private let state: String
    private var rounds = 0

    /// Starts both, in this order, and waits until the daemon has scanned what is there.
    ///
    /// - Parameters:
    ///   - arguments: what the script is given behind its folder.
    ///   - prefix: what stands before the script's command and executes it.
    init(
        _ name: String, _ order: Order, prefix: [String] = [], arguments: (ControlGroup) throws -> [String]
    ) throws {
        files = try ScratchFilesystem()
        folder = try files.folder("service")
        // Not all of its programs are run by root, and the folders around it are root's alone.
        chmod((files.path as NSString).deletingLastPathComponent, 0o711)
        group = try ControlGroup()
        state = try makeTemporaryFolder()
        let command = try group.command(
            prefix + [Fixtures.path("stack/" + name), folder] + arguments(group))
        switch order {
        case .daemonFirst:
            daemon = try DaemonUnderTest(stateFolder: state + "/state")
            play = try Child(command)
            _ = try play.firstLine(within: 120)
        case .daemonLast:
            play = try Child(command)
            _ = try play.firstLine(within: 120)
            daemon = try DaemonUnderTest(stateFolder: state + "/state")
        }
    }

    deinit {
        play.signal(SIGTERM)
        _ = eventually(within: 30) { play.endingIfOver() }
        group.remove()
        daemon.process.kill()
        try? FileManager.default.removeItem(atPath: state)
    }

    /// Lets the service do its short work once.
    func work() throws {
        rounds += 1
        play.signal(SIGUSR1)
        let done: Bool? = eventually(within: 120) {
            let answers = play.outputText.split(separator: "\n").count
            return answers > rounds ? true : play.endingIfOver() == nil ? nil : false
        }
        guard done == true else { throw Failure("the work was not done: \(play.errorText)") }
    }

    /// The dump in which all of this is, or the last one of half a minute: sockets are destroyed, and scans come, some
    /// time after what caused them.
    func dump(_ isWhole: (Dump) -> Bool) throws -> Dump {
        var last = try daemon.dump()
        _ = try eventually(within: 30, every: 1) { () -> Bool? in
            if isWhole(last) { return true }
            last = try daemon.dump()
            return nil
        }
        return last
    }

    /// Ends the service, which leaves nothing behind, and the daemon.
    func end() throws {
        play.signal(SIGTERM)
        try play.succeed(within: 60)
        try daemon.stop()
    }
}

/// A link from a program to another one, as the configuration has it.
struct ServiceLink: Hashable, Comparable, CustomStringConvertible {
    /// `tcp`, `udp` or the mechanism.
    var kind: String
    var program: String
    var peer: String

    init(_ kind: String, _ program: String, _ peer: String) {
        (self.kind, self.program, self.peer) = (kind, program, peer)
    }

    /// What a record says of two programs that are known, by the names of their scripts or executables; `nil` where it does
    /// not tie two programs.
    init?(_ record: Dump.Dependency) {
        guard let peer = record.peer, let kind = record.transport ?? record.mechanism else { return nil }
        self.init(kind, Self.name(record.program), Self.name(peer))
    }

    static func name(_ program: Dump.Program) -> String {
        ((program.script ?? program.executable) as NSString).lastPathComponent
    }

    /// The same, seen from its other end.
    var mirrored: Self { Self(kind, peer, program) }

    var description: String { "\(kind) \(program) \(peer)" }

    static func < (left: Self, right: Self) -> Bool { left.description < right.description }
}

/// The links between the programs of a service, in the records of its control groups.
struct ServiceLinks {
    let records: [Dump.Dependency]

    init(_ dump: Dump, _ isWorkload: (String) -> Bool) {
        func isInside(_ program: Dump.Program?) -> Bool { program?.workload.map(isWorkload) == true }
        records = dump.dependencies.filter { isInside($0.program) && isInside($0.peer) }
    }

    /// Those of which somebody is sure, each from both of its ends if both have it.
    var sure: Set<ServiceLink> {
        Set(records.filter { $0.evidence != "inferred" }.compactMap(ServiceLink.init))
    }

    /// How often a link was met, as the records of one of its ends have it; `nil`: with whatever evidence.
    func count(_ link: ServiceLink, _ relation: String, _ evidence: String? = "exact") -> UInt64 {
        records.filter {
            $0.relation == relation && (evidence == nil || $0.evidence == evidence) && ServiceLink($0) == link
        }.reduce(0) { $0 + $1.count }
    }
}
