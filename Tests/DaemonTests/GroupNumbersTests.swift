import Foundation
import TestSupport
import Testing

@testable import Daemon

/// Whether the kernel's numbers of control groups are those of the groups.
@Suite(.serialized) struct GroupNumbersTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test(arguments: [
        ("cpu memory\n", true), ("pids\n", true), ("\n", false), ("", false), (" \n", false),
    ])
    func aControllerThatIsEnabledIsEnough(text: String, isAny: Bool) {
        #expect(GroupNumbers.isAnyEnabled(Self.bytes(text)) == isAny)
        #expect(!GroupNumbers.isAnyEnabled(nil))
    }

    /// The root has a state of its own; as many as groups are one too few.
    @Test(arguments: [
        ("nr_descendants 3\nnr_subsys_perf_event 4\n", true),
        ("nr_descendants 3\nnr_subsys_perf_event 3\n", false),
        ("nr_descendants 3\nnr_subsys_perf_event 1\n", false),
        ("nr_descendants 0\nnr_subsys_perf_event 1\n", true),
        ("nr_descendants 3\nnr_dying_descendants 0\n", false), ("", false),
        ("nr_descendants x\nnr_subsys_perf_event y\n", false),
    ])
    func everyGroupNeedsAState(text: String, haveAll: Bool) {
        #expect(GroupNumbers.haveStates(Self.bytes(text)) == haveAll)
        #expect(!GroupNumbers.haveStates(nil))
    }

    /// What was found stands until there are numbers again; those of groups below the root are their own proof.
    @Test(.enabled(if: getuid() == 0, "needs root: control groups"))
    func otherNumbersAreTheProof() throws {
        let group = try ControlGroup()
        defer { group.remove() }
        let numbers = try #require(GroupNumbers())
        #expect(numbers.areTrue(for: []))
        #expect(numbers.areTrue(for: [77, 78]))
        let isTrue = numbers.areTrue(for: [1])
        #expect(numbers.areTrue(for: []) == isTrue)
        #expect(GroupNumbers(mounts: []) == nil)
    }
}
