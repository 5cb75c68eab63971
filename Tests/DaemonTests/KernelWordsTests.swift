import Glibc
import KernelProbe
import SystemCalls
import Testing

@testable import Daemon

/// What is said of an interface that refuses: the cause, where the surroundings are the cause.
@Suite struct KernelWordsTests {
    private static let host = KernelEnvironment(
        isInitialUserNamespace: true, isInitialPidNamespace: true, lockdown: .none)
    private static let container = KernelEnvironment(
        isInitialUserNamespace: false, isInitialPidNamespace: true, lockdown: .none)
    private static let locked = KernelEnvironment(
        isInitialUserNamespace: true, isInitialPidNamespace: true, lockdown: .confidentiality)

    private func words(
        _ interface: KernelEnvironment.Interface, _ code: Int32, _ environment: KernelEnvironment
    ) -> String {
        StartError.missing(
            interface, SystemError("call", code: code), capability: "CAP_X", since: "Linux 9.9", environment
        ).description
    }

    @Test func causes() {
        #expect(words(.fanotify, EPERM, Self.host).contains("needs CAP_X"))
        #expect(words(.fanotify, EPERM, Self.container).contains("initial user namespace"))
        #expect(words(.fanotify, EINVAL, Self.container).contains("came with Linux 9.9"))
        #expect(words(.procConnector, ECONNREFUSED, Self.host).contains("initial network namespace"))
        #expect(words(.procConnector, EPERM, Self.container).contains("initial user namespace"))
        var inside = Self.host
        inside.isInitialPidNamespace = false
        #expect(words(.procConnector, ENOMSG, inside).contains("initial pid namespace"))
        #expect(Self.locked.explanation(of: .tracepoints, code: EPERM)?.contains("lockdown") == true)
        #expect(Self.locked.explanation(of: .tracepoints, code: ENOENT)?.contains("lockdown") == true)
        #expect(Self.host.explanation(of: .tracepoints, code: EPERM) == nil)
        #expect(Self.host.explanation(of: .tracepoints, code: ENOENT) == nil)
        #expect(words(.socketDiagnostics, ENOBUFS, Self.host).contains("cannot be opened"))
    }
}
