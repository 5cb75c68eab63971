import Foundation
import TestSupport
import Testing

@testable import Daemon

/// What control groups are called whose numbers are known.
@Suite(.serialized) struct GroupPathsTests {
    private static let unified = Array("0::/init.scope\n".utf8)

    private func number(of folder: String) -> UInt64 {
        var status = stat()
        return stat(folder, &status) == 0 ? UInt64(status.st_ino) : 0
    }

    /// The kernel finds a group by its number as long as it is there; one that is gone has no name.
    @Test(.enabled(if: getuid() == 0, "needs root: control groups"))
    func theNumberLeadsToTheGroup() throws {
        let group = try ControlGroup()
        let number = number(of: group.folder)
        let paths = try #require(GroupPaths(groups: Self.unified))
        #expect(paths.workload(of: number) == .some(Array(group.workload.utf8)))
        group.remove()
        #expect(try #require(GroupPaths(groups: Self.unified)).workload(of: number) == .none)
        // What was found once stands: no number is given twice.
        #expect(paths.workload(of: number) == .some(Array(group.workload.utf8)))
        #expect(paths.workload(of: .max) == .none)
    }

    /// Where there are several hierarchies the number in one does not say what a process is called by.
    @Test(arguments: ["1:name=systemd:/a\n0::/a\n", "4:memory:/a\n", "", "0:/a"])
    func severalHierarchiesHaveNone(groups: String) {
        #expect(GroupPaths(groups: Array(groups.utf8)) == nil)
    }

    /// The number in a hierarchy that nobody can be made in does not show that somebody was.
    @Test(arguments: [
        ("0::/a\n", true), ("4:memory:/a\n1:name=systemd:/a\n0::/a\n", true), ("4:memory:/a\n", false),
        ("", false),
        ("7:perf_event:/\n0::/a\n", false), ("7:cpu,perf_event:/\n0::/a\n", false),
    ])
    func theNumberIsOfOneHierarchy(groups: String, isUnified: Bool) {
        #expect(GroupPaths.areNumbersUnified(Array(groups.utf8)) == isUnified)
    }

    /// A hierarchy that is mounted nowhere, or in part, is of no use.
    @Test func withoutTheHierarchyThereIsNone() {
        #expect(GroupPaths(groups: Self.unified, mounts: []) == nil)
    }
}
