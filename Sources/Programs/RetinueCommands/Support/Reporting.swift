import ArgumentParser

/// Writes what ArgumentParser has to say of a command line: help and version to standard output, a mistake to standard error.
/// The exit status.
public func report<Command: ParsableCommand>(_ error: any Error, of type: Command.Type) -> Int32 {
    let text = type.fullMessage(for: error)
    if type.exitCode(for: error) == .success {
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

/// Writes lines to standard error; whatever they quote, of a server or of a record, cannot steer the terminal.
public func say(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).printable }
    Diagnostics.write(lines.joined(separator: "\n") + "\n")
}
