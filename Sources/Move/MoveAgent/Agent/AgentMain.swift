import CLinux
import Glibc
import Placeholders
import SystemCalls
import Transport

/// The program `retinue-agent`.
public enum AgentMain {
    private static let help = """
        Moves programs away from this host, and takes in those of others.

        usage: retinue-agent [run] [--listen ADDRESS[:PORT]] [--accept HOST]... [--obey HOST]...
                             [--follow HOST]... [--certificates DIR] [--state-dir DIR] [--socket PATH]
                             [--recipes DIR]... [--fetch-patience SECONDS] [--timeline]
                             [--machine-memory MIB] [--machine-kernel FILE] [--placement FILE]
               retinue-agent across-join --listen ADDRESS[:PORT] --accept HOST [--certificates DIR]
               retinue-agent authority DIR [--days N]
               retinue-agent certificate HOST --authority DIR --into DIR [--days N]

        run          the daemon, in the foreground; ready when it says so; SIGUSR2 has it empty this host
        across-join  takes processes of one tree in that goes on at several hosts (retinue move across)
        authority    makes a certificate authority of your own in a folder
        certificate  makes a host's key and certificate, and puts the authority's certificate beside them

        Exit status: 0 done; 1 it failed; 2 bad usage. See retinue-agent(8).

        """

    /// Runs it.
    ///
    /// - Returns: the exit status.
    public static func run(_ arguments: [String]) -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        if ContextKeeper.isScript { return ContextKeeper.run() }
        if ContextFreezer.isScript { return ContextFreezer.run() }
        do throws(MoveError) {
            switch arguments.first {
            case "stand-in" where arguments.count == 2: return StandIn.run(arguments[1])
            case "cell" where arguments.count == 2: return CellInit.run(arguments[1])
            case "cell" where arguments.count == 4 && arguments[2] == "wait":
                guard let isolation = Isolation(rawValue: arguments[3]) else {
                    throw MoveError("a cell's first process is started by the agent")
                }
                return CellInit.run(arguments[1], waiting: isolation)
            case .some(let word) where word.hasPrefix("context-"): return try ContextMain.run(arguments)
            case .some(let word) where word.hasPrefix("across"): return try AcrossMain.run(arguments)
            case "live-trial" where arguments.count == 1: return try LiveTrial.run()
            case "keep" where arguments.count == 3: return try keep(arguments[1], arguments[2])
            case "authority": return try makeAuthority(Array(arguments.dropFirst()))
            case "certificate": return try makeCertificate(Array(arguments.dropFirst()))
            case "--help", "-h", "help":
                print(help, terminator: "")
                return 0
            case "steps":
                for step in MoveStep.allCases
                where step.isOfHandover == arguments.contains("--handover")
                    && step.isOfSpread == arguments.contains("--spread")
                    && (!step.isOfHost || arguments.contains("--host"))
                {
                    for state in [StepState.begun, .done] {
                        print(
                            "\(step.isAtDestination ? "destination" : "source") \(step.rawValue):\(state.rawValue)"
                        )
                    }
                }
                return 0
            default: return try serve(arguments.first == "run" ? Array(arguments.dropFirst()) : arguments)
            }
        } catch {
            Diagnostics.say(error.description)
            return error.description.hasPrefix("no option") || error.description.contains("needs a value")
                ? 2 : 1
        }
    }

    /// Runs the keeper of a cell's placeholders, which the agent has started.
    private static func keep(_ folder: String, _ seconds: String) throws(MoveError) -> Int32 {
        guard let patience = UInt64(seconds) else { throw MoveError("a keeper is started by the agent") }
        do throws(SystemError) {
            var keeper = try Keeper(in: folder, patience: patience)
            keeper.run()
        } catch { throw MoveError("\(folder): \(error)") }
        return 0
    }

    private static func serve(_ arguments: [String]) throws(MoveError) -> Int32 {
        let configuration = try AgentConfiguration(arguments: arguments)
        guard geteuid() == 0 else { throw MoveError("programs are moved as root") }
        Fault.place = configuration.fault
        Timeline.isKept = configuration.keepsTimeline
        // Before there is another thread, which would take the signal.
        let evacuation = Evacuation(configuration)
        let agent = try Agent(configuration)
        var listener: Listener?
        if !configuration.listen.isEmpty {
            do throws(TLSError) {
                listener = Listener(try Sockets.listen(on: configuration.listen, port: configuration.port))
            } catch { throw MoveError("\(error)") }
        }
        try agent.recover()
        do throws(SystemError) {
            try DetachedThread.start {
                while true {
                    sleep(1)
                    agent.watch()
                }
            }
            try DetachedThread.start { evacuation.serve() }
            if let listener {
                try DetachedThread.start {
                    while true {
                        guard let number = listener.accept() else { continue }
                        try? DetachedThread.start { agent.serve(FileDescriptor(owning: number)) }
                    }
                }
            }
        } catch { throw MoveError("\(error)") }
        try CommandSocket.serve(configuration.socket, agent) {
            Diagnostics.say("ready")
        }
        return 0
    }

    private final class Listener: Sendable {
        private let socket: FileDescriptor

        init(_ socket: consuming FileDescriptor) { self.socket = socket }

        func accept() -> Int32? {
            let number = clinux_accept(socket.number)
            if number < 0, errno != EINTR { usleep(100_000) }
            return number >= 0 ? number : nil
        }
    }

    // MARK: Certificates

    private static func options(
        _ arguments: [String], _ names: [String]
    ) throws(MoveError) -> (plain: [String], named: [String: String]) {
        var plain: [String] = []
        var named: [String: String] = [:]
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--") else {
                plain.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
                String.init)
            guard names.contains(parts[0]) else {
                throw MoveError("no option `\(word)`: retinue-agent --help")
            }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
                throw MoveError("\(word) needs a value")
            }
            named[parts[0]] = value
        }
        return (plain, named)
    }

    private static func makeAuthority(_ arguments: [String]) throws(MoveError) -> Int32 {
        let (plain, named) = try options(arguments, ["--days"])
        guard plain.count == 1, let days = Int(named["--days"] ?? "3650") else {
            throw MoveError("no option is missing but a folder: retinue-agent authority DIR [--days N]")
        }
        do throws(TLSError) {
            try Certificates.makeAuthority(in: plain[0], name: "Retinue authority", days: days)
        } catch { throw MoveError("\(error)") }
        return 0
    }

    private static func makeCertificate(_ arguments: [String]) throws(MoveError) -> Int32 {
        let (plain, named) = try options(arguments, ["--authority", "--into", "--days"])
        guard plain.count == 1, let authority = named["--authority"], let into = named["--into"],
            let days = Int(named["--days"] ?? "825")
        else {
            throw MoveError(
                "no option may be missing: retinue-agent certificate HOST --authority DIR --into DIR")
        }
        do throws(TLSError) {
            try Certificates.makeHost(plain[0], in: into, authority: authority, days: days)
        } catch { throw MoveError("\(error)") }
        return 0
    }
}
