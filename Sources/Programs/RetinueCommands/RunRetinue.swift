import ArgumentParser
import Glibc

/// Runs a command line and says what its exit status shall be.
///
/// - Parameter arguments: without the program's name.
public func runRetinue(_ arguments: [String]) -> Int32 {
    // A reader that leaves (`retinue dump | head`) is noticed by EPIPE wherever something is written.
    signal(SIGPIPE, SIG_IGN)
    do {
        var command = try RetinueCommand.parseAsRoot(arguments)
        try command.run()
        return ExitStatus.success
    } catch is ReaderGone {
        return ExitStatus.success
    } catch let failure as Failure {
        Diagnostics.say(failure.message)
        for detail in failure.details { Diagnostics.write("  \(detail)\n") }
        return failure.status
    } catch let status as ExitCode {
        return status.rawValue
    } catch {
        return report(error)
    }
}

/// Says what ArgumentParser has to say: help and version on stdout, a mistake on stderr.
private func report(_ error: any Error) -> Int32 {
    let text = RetinueCommand.fullMessage(for: error)
    if RetinueCommand.exitCode(for: error) == .success {
        do {
            try Output.standard.write(text + "\n")
            return ExitStatus.success
        } catch {
            return error is ReaderGone ? ExitStatus.success : ExitStatus.negative
        }
    }
    // Its own status for a wrong command line is 64; here everything that is wrong is 1.
    Diagnostics.write(text + "\n")
    return ExitStatus.negative
}
