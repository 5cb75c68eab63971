import ArgumentParser
import Glibc

/// A person's word before something is stopped.
enum Consent {
    /// Asks at the terminal; whoever does not say yes ends the command with 1.
    ///
    /// - Parameter consequence: what is reported, with the option that says it beforehand, where there is no terminal.
    static func ask(_ question: String, else consequence: String) throws {
        guard isatty(0) == 1 else {
            throw Failure("say --yes: \(consequence)", status: ExitStatus.badInput)
        }
        Diagnostics.write("\(question) [y/N] ")
        guard let answer = readLine(), answer == "y" || answer == "yes" else { throw ExitCode(1) }
    }
}
