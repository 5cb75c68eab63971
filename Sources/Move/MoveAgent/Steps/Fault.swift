import Glibc
import SystemCalls

/// Ends the agent at an exact line of its journal, for the tests of what that leaves: `--die-at STEP:STATE`.
enum Fault {
    // Set once, before any thread is started.
    nonisolated(unsafe) static var place: String?

    static func watch(_ journal: Journal) {
        guard let place else { return }
        journal.onLine = { line in
            if "\(line.step.rawValue):\(line.state.rawValue)" == place { kill(getpid(), SIGKILL) }
        }
    }
}
