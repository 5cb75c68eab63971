import Glibc
import TestSupport
import Testing

@testable import MovePlan

@Suite("What a plan copies, and what it leaves")
struct ContentsTests {
    private func plan(_ entries: [(String, PlannedEntry.Kind, Treatment)]) -> HostPlan {
        var plan = HostPlan(id: "one")
        plan.entries = entries.map {
            PlannedEntry(Array($0.0.utf8), $0.1, $0.2, .exact, reason: "by hand")
        }
        return plan
    }

    private func paths(_ plan: HostPlan, _ root: String) -> [String] {
        PlanContents(plan, root: root).paths().map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func whatTheDestinationHasIsLeft() throws {
        try withTemporaryFolder { root in
            for folder in ["/srv", "/srv/app", "/srv/app/data", "/srv/app/database", "/srv/app/data/in"] {
                mkdir(root + folder, 0o755)
            }
            for file in ["/srv/app/a", "/srv/app/data/b", "/srv/app/data/in/c", "/srv/app/database/d"] {
                try write("x", to: root + file)
            }
            let all = plan([
                ("/srv/app", .tree, .finalCopy), ("/srv/app/data/in/c", .file, .preCopy),
                ("/srv/other", .tree, .leave),
            ])
            let left = all.leaving([Array("/srv/app/data".utf8)])
            #expect(
                paths(left, root) == [
                    "/srv/app", "/srv/app/a", "/srv/app/database", "/srv/app/database/d",
                ])
            #expect(
                left.entries.map(\.path)
                    == left.entries.map(\.path).sorted { $0.lexicographicallyPrecedes($1) })
            #expect(all.leaving([]) == all)
            // Of a point above what is copied nothing is left.
            #expect(paths(all.leaving([Array("/srv".utf8)]), root) == [])
            // The folder of another name that begins alike is another one.
            #expect(paths(all.leaving([Array("/srv/app/dat".utf8)]), root).contains("/srv/app/data/b"))
        }
    }

    @Test(arguments: [
        ("/srv/app/data", "/srv/app"), ("/srv/app/kept", nil), ("/srv/app/kept/in", nil),
        ("/srv/app/own", nil), ("/srv/app/own/in", "/srv/app/own"), ("/srv/app", nil),
        ("/srv/application", nil),
        ("/srv/app/file", nil), ("/elsewhere", nil), ("/", nil),
    ]) func theTreeAroundAMount(_ point: String, _ tree: String?) {
        let plan = plan([
            ("/srv/app", .tree, .preCopy), ("/srv/app/kept", .tree, .leave),
            ("/srv/app/own", .tree, .finalCopy),
            ("/srv/app/file", .file, .finalCopy), ("/elsewhere", .folder, .makeAnew),
        ])
        #expect(plan.treeAround(Array(point.utf8)) == tree.map { Array($0.utf8) })
    }
}
