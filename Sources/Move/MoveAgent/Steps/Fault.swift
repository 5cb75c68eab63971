import Glibc
import Synchronization
import SystemCalls

/// Ends the agent at an exact line of its journal, for the tests of what that leaves: `--die-at STEP:STATE`; or in the middle of a
/// step that has several parts, behind one of these: `--die-at PART#NUMBER`, from 1. Where something else is to be done to it there,
/// it is stopped.
enum Fault {
    // Set once, before any thread is started.
    nonisolated(unsafe) static var place: String?
    nonisolated(unsafe) static var signal = SIGKILL
    private static let passed = Mutex<[String: Int]>([:])

    /// A part of a step was done.
    static func pass(_ part: String) {
        guard let place else { return }
        let number = passed.withLock { passed in
            passed[part, default: 0] += 1
            return passed[part]!
        }
        if "\(part)#\(number)" == place { kill(getpid(), signal) }
    }

    static func watch(_ journal: Journal) {
        guard let place else { return }
        journal.onLine = { line in
            if "\(line.step.rawValue):\(line.state.rawValue)" == place { kill(getpid(), SIGKILL) }
        }
    }
}
