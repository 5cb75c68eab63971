import ArgumentParser
import Control

/// Which daemon to ask.
struct DaemonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Ask the daemon that listens on this socket.", valueName: "path"),
        completion: .file())
    var socket: String?

    @Option(
        name: .customLong("state-dir"),
        help: ArgumentHelp("Ask the daemon whose state folder this is.", valueName: "dir"),
        completion: .directory)
    var stateFolder: String?

    @Option(help: ArgumentHelp("Wait this long for the answer.", valueName: "seconds"))
    var timeout = 30.0

    func validate() throws {
        guard socket == nil || stateFolder == nil else {
            throw ValidationError("give --socket or --state-dir, not both")
        }
        guard timeout > 0, timeout <= 86_400 else {
            throw ValidationError("--timeout is a number of seconds, more than 0 and at most 86400")
        }
    }

    /// Where a daemon may listen, the likeliest first.
    var paths: [String] {
        if let socket { return [socket] }
        if let stateFolder { return [ControlPath.inside(stateFolder: stateFolder)] }
        return [ControlPath.runtime, ControlPath.inside(stateFolder: ControlPath.stateFolder)]
    }

    /// Asks the first daemon that answers.
    func ask(_ request: ControlRequest) throws(Failure) -> ControlReply {
        let milliseconds = max(Int(timeout * 1000), 1)
        for path in paths {
            do throws(ControlError) {
                return try ControlClient.request(path, request, timeoutMilliseconds: milliseconds)
            } catch {
                if case .notRunning = error, paths.count > 1 { continue }
                throw Failure(error)
            }
        }
        throw Failure(
            "no retinued answers on \(paths.joined(separator: " or ")); start it "
                + "(systemctl start retinued), or name its --socket or --state-dir",
            status: ExitStatus.unreachable)
    }
}

extension Failure {
    /// A daemon that answers with an error was reached; any other error of the exchange means that it
    /// was not.
    init(_ error: ControlError) {
        switch error {
        case .refused, .unusablePath: self.init(error.description)
        default: self.init(error.description, status: ExitStatus.unreachable)
        }
    }
}
