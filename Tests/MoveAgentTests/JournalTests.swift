import Glibc
import Records
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("The journal of a move")
struct JournalTests {
    @Test func whatWasWrittenIsReadAgain() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/journal"
            let detail = JSONValue.array([.string(String(repeating: "x\n\"", count: 5000)), .integer(7)])
            do {
                let journal = try Journal(path)
                try journal.write(.precopy, .begun)
                try journal.write(.stop, .begun, detail)
                try journal.write(.stop, .done)
                try journal.write(.hold, .undone)
            }
            let journal = try Journal(path)
            #expect(journal.lines.map(\.step) == [.precopy, .stop, .stop, .hold])
            #expect(journal.lines.map(\.state) == [.begun, .begun, .done, .undone])
            #expect(journal.detail(.stop) == detail)
            #expect(journal.stands(.stop) && !journal.stands(.hold) && !journal.stands(.release))
        }
    }

    /// At every byte at which a crash can cut it off: whole lines are there, and the next one follows them.
    @Test func aLineThatWasCutOffIsNone() throws {
        try withTemporaryFolder { folder in
            let path = folder + "/journal"
            do {
                let journal = try Journal(path)
                try journal.write(.hold, .begun)
                try journal.write(.hold, .done, .string("detail"))
            }
            let whole = try FileDescriptor.open(path, O_RDONLY).readAll()
            let first = whole.firstIndex(of: UInt8(ascii: "\n"))! + 1
            for length in 0...whole.count {
                let cut = folder + "/\(length)"
                let file = try FileDescriptor.open(cut, O_WRONLY | O_CREAT, mode: 0o600)
                try whole[..<length].withUnsafeBytes { try file.writeAll($0) }
                let journal = try Journal(cut)
                #expect(
                    journal.lines.count == (length < first ? 0 : length < whole.count ? 1 : 2), "\(length)")
                try journal.write(.release, .begun)
                #expect(try Journal(cut).lines.count == journal.lines.count)
            }
        }
    }

    @Test(arguments: [
        "executable = x\nstop-signal = NONE", "nonsense", "stop-signal = INT", "executable = x\nother = y",
    ])
    func recipesThatAreNone(text: String) {
        #expect(throws: MoveError.self) { _ = try Recipe(parsing: text, path: "r") }
    }

    @Test func aRecipe() throws {
        let recipe = try Recipe(
            parsing: "# comment\nexecutable = postgres \n stop-signal=SIGINT\nbefore-stop = a = b\nomit = ls",
            path: "r")
        #expect(
            recipe.executable == "postgres" && recipe.stopSignal == SIGINT && recipe.beforeStop == "a = b"
                && recipe.omit == "ls")
    }

    @Test func whatAProgramRunsWithIsReadAgain() throws {
        var run = try #require(ProgramRun(of: getpid()))
        run.arguments = [[0xff, 10, 0], Array("a b".utf8)]
        #expect(ProgramRun(run.value) == run)
        #expect(!run.limits.isEmpty)
    }

    @Test(arguments: [
        ("tcp:0.0.0.0:80", "tcp/80"), ("udp:[::1]:53", "udp/53"), ("tcp:[::]:443", "tcp/443"),
    ])
    func ports(text: String, described: String) throws {
        #expect(try #require(ServicePort(planned: text)).description == described)
    }

    @Test(arguments: ["tcp:0.0.0.0:0", "tcp:80", "sctp:0.0.0.0:80", "", "tcp:0.0.0.0:70000"])
    func noPorts(text: String) { #expect(ServicePort(planned: text) == nil) }
}
