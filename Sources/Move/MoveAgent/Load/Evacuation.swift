import CLinux
import Glibc
import SystemCalls

/// Empties this host when SIGUSR2 comes, as `retinue move evacuate` does, which it starts.
struct Evacuation: Sendable {
    private let policy: String
    private let socket: String

    /// Holds the signal back in this thread and in those that it starts.
    init(_ configuration: AgentConfiguration) {
        (policy, socket) = (configuration.placement, configuration.socket)
        var set = Self.signals
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private static var signals: sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGUSR2)
        return set
    }

    /// Waits for signals, for ever. One that comes while the host is being emptied is answered when that is over.
    func serve() {
        while true {
            var (set, number): (sigset_t, Int32) = (Self.signals, 0)
            guard sigwait(&set, &number) == 0 else { continue }
            empty()
        }
    }

    private func empty() {
        guard let program = Self.program() else {
            return Diagnostics.say(
                "SIGUSR2: the program retinue is neither beside this one nor in PATH: nothing is moved")
        }
        Diagnostics.say("SIGUSR2: this host is being emptied by \(policy)")
        do throws(MoveError) {
            let outcome = try Tool.run(
                [program, "move", "evacuate", "--policy", policy, "--agent", socket], seconds: 86400)
            for line in outcome.output.split(separator: "\n") { Diagnostics.say(String(line)) }
            Diagnostics.say(
                outcome.status == 0
                    ? "this host is empty" : "this host is not empty: exit status \(outcome.status)")
        } catch { Diagnostics.say(error.description) }
    }

    /// Beside the agent, where a build lays it, or where a package does.
    private static func program() -> String? {
        let own = (try? ContextKeeper.ownPath()) ?? ""
        let folder = own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        return access("\(folder)/retinue", X_OK) == 0 ? "\(folder)/retinue" : Tool.path("retinue")
    }
}
