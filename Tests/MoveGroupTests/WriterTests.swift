import MoveGroup
import Records
import Testing

/// Who wrote a member's file and stayed out is reported where it matters.
@Suite("Writers that stay out")
struct WriterTests {
    private static func crossings(
        _ facts: [Fact], _ policy: String, _ change: (inout ClosureOptions) -> Void = { _ in }
    ) throws -> Set<NamedCrossing> {
        var options = ClosureOptions()
        options.policy = try BoundaryPolicy(parsing: "no default\n" + policy, from: "test")
        change(&options)
        return join([HostDump("H", facts)]).outcome(of: [.program("H", "/p")], options).crossings
    }

    @Test func writerOfABoundFileIsNotReportedAsExecuted() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "x"), .spawn("/p", "/c"), .file("/c", "/f", "r"), .file("/w", "/f", "w"),
        ]
        let found = try Self.crossings(facts, "") { $0.exclude = [NodePattern("/w")] }
        #expect(
            found == [
                NamedCrossing(
                    member: .file("H", "/f"), other: .program("H", "/w"), obstacle: .exclude(0))
            ])
    }

    @Test func memberThatIsNotFollowedReportsOnlyWhatItExecutes() throws {
        let facts: [Fact] = [
            .file("/p", "/f", "r"), .file("/p", "/g", "r"), .spawn("/p", "/sudo"), .file("/sudo", "/f", "r"),
            .file("/sudo", "/g", "x"), .file("/dpkg", "/f", "w"), .file("/dpkg", "/g", "w"),
        ]
        let found = try Self.crossings(facts, "launcher /sudo\ninstaller /dpkg")
        let sudo = Named.program("H", "/sudo")
        #expect(
            found == [
                NamedCrossing(member: .program("H", "/p"), other: .program("H", "/dpkg"), obstacle: .rule(1)),
                NamedCrossing(member: sudo, other: .program("H", "/dpkg"), obstacle: .rule(1)),
                NamedCrossing(member: sudo, other: sudo, obstacle: .rule(0)),
            ])
        let fewer = try Self.crossings(
            facts.filter { $0 != .file("/sudo", "/g", "x") }, "launcher /sudo\ninstaller /dpkg")
        #expect(!fewer.contains { $0.member == sudo && $0.other != sudo })
    }
}
