import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// Started where the kernel's interfaces do not work: the message names the cause, not a missing capability.
    @Suite("elsewhere")
    struct ElsewhereSuite {
        @Test(
            .timeLimit(.minutes(1)),
            arguments: [
                (["unshare", "--net"], "initial network namespace"),
                (["unshare", "--user", "--map-root-user"], "initial user namespace"),
                (["unshare", "--pid", "--fork", "--mount-proc"], "initial pid namespace"),
            ])
        func causeIsNamed(prefix: [String], cause: String) throws {
            try withTemporaryFolder { folder in
                let child = try Child(prefix + DaemonUnderTest.command(stateFolder: folder + "/state"))
                #expect(try child.wait(within: 30) == .exited(1))
                let said = child.errorText
                #expect(said.contains(cause), "\(said)")
                #expect(said.split(separator: "\n").count == 1, "one sentence")
            }
        }
    }
}
