import Foundation
import SystemCalls
import Testing

@Suite("The machine's id")
struct MachineIDTests {
    private func file(_ text: String) throws -> String {
        let path = NSTemporaryDirectory() + "/retinue-test-id-\(UUID().uuidString)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    @Test func isTheFirstLineOfTheFirstFileThatHasOne() throws {
        let (empty, first, second) = (try file("\n"), try file("abc\nd\n"), try file("def"))
        defer { for path in [empty, first, second] { unlink(path) } }
        #expect(MachineID.read(from: ["/nonexistent", empty, first, second]) == "abc")
        #expect(MachineID.read(from: [second, first]) == "def")
    }

    @Test func isTheHostsNameWhereThereIsNone() throws {
        let empty = try file("")
        defer { unlink(empty) }
        #expect(!MachineID.hostName().isEmpty)
        #expect(MachineID.read(from: [empty, "/nonexistent"]) == MachineID.hostName())
    }
}
