import Foundation
import TestSupport
import Testing

/// That the oracle can fail: a dump from which a record was taken, or to which one was added.
@Suite("oracle: comparison")
struct ComparisonTests {
    private static let header = #"""
        {"type":"header","schema":"retinue/2","time":"2026-11-21T02:00:00.123Z","host":"h","machine":{"name":"n",\#
        "addresses":[],"kernel":"6.18","boot":"b"},"sources":{"fanotify":{"mode":"fid","received":3,"lost":0}}}
        """#

    private static func line(_ rest: String, program: String = "/usr/bin/cat") -> String {
        #"{"type":"dependency","host":"h","program":{"executable":"\#(program)","workload":"g"},\#(rest),"#
            + #""count":1,"first":"2026-11-21T02:00:00.123Z","last":"2026-11-21T02:00:00.123Z","#
            + #""evidence":"exact"}"#
    }

    private static func file(_ path: String, _ access: String, program: String = "/usr/bin/cat") -> String {
        line(#""relation":"file","path":"\#(path)","kind":"regular","access":"\#(access)""#, program: program)
    }

    private static let lines = [
        file("/w/out", "rw", program: "/usr/bin/bash"), file("/w/out", "rw"), file("/w/in", "r"),
        file("/usr/bin/bash", "x", program: "/usr/bin/bash"), file("/usr/bin/cat", "rx"),
        line(#""relation":"spawn","child":{"executable":"/usr/bin/cat"}"#, program: "/usr/bin/bash"),
        line(#""relation":"connect","transport":"tcp","remote":{"address":"127.0.0.1","port":80}"#),
    ]

    private static let world = FileWorld(
        realPath: { $0 }, head: { _ in [] }, kind: { _ in .regular }, excluded: ["/proc"])

    private static let trace = #"""
        1 execve("/usr/bin/bash", ["bash", "-c", "cat > out"], 0x1 /* 1 var */) = 0
        1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7) = 2
        2 openat(AT_FDCWD</w>, "out", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</w/out>
        2 execve("/usr/bin/cat", ["cat"], 0x1 /* 1 var */) = 0
        2 openat(AT_FDCWD</w>, "in", O_RDONLY) = 3</w/in>
        2 connect(5<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
        """#

    private func compare(_ lines: [String]) throws -> Comparison {
        let text = ([Self.header] + lines).joined(separator: "\n") + "\n"
        let dump = try Dump(text: text)
        let expected = Expectation(trace: StraceParser(Self.trace.utf8), world: Self.world, folder: "/w")
        return Comparison(
            workload: "tampered", expected: expected, actual: Facts(dump.records(of: "g"), world: Self.world))
    }

    @Test func holdsForTheDumpAsItIs() throws {
        let comparison = try compare(Self.lines)
        #expect(comparison.missing.isEmpty)
        #expect(comparison.unexplained.isEmpty)
        #expect(comparison.precision == 1)
        #expect(comparison.summary.contains("opens 5 recall 100.0 % precision 100.0 %"))
    }

    @Test(arguments: lines.indices)
    func missesARecordThatWasTakenAway(index: Int) throws {
        var lines = Self.lines
        lines.remove(at: index)
        #expect(try !compare(lines).missing.isEmpty)
    }

    @Test func missesALetter() throws {
        var lines = Self.lines
        lines[1] = Self.file("/w/out", "r")
        let comparison = try compare(lines)
        #expect(comparison.missing == ["opens: w /w/out by /usr/bin/cat"])
        #expect(comparison.parts[0].recall == 0.8)
        #expect(comparison.summary.contains("opens 5 recall 80.0 %"))
    }

    @Test func missesTheRightProgram() throws {
        var lines = Self.lines
        lines[2] = Self.file("/w/in", "r", program: "/usr/bin/bash")
        let comparison = try compare(lines)
        #expect(comparison.missing == ["opens: r /w/in by /usr/bin/cat"])
        #expect(comparison.precision < 1)
    }

    @Test func tellsARecordThatWasAdded() throws {
        let comparison = try compare(Self.lines + [Self.file("/w/other", "r")])
        #expect(comparison.missing.isEmpty)
        #expect(comparison.unexplained == ["opens: r /w/other by /usr/bin/cat"])
        #expect(comparison.precision < 1)
    }

    @Test func tellsAnEdgeThatWasAdded() throws {
        let edge = Self.line(#""relation":"spawn","child":{"executable":"/usr/bin/rm"}"#)
        #expect(try compare(Self.lines + [edge]).unexplained == ["spawns: /usr/bin/cat -> /usr/bin/rm"])
    }

    @Test func explainsWhatAnotherImageOpened() throws {
        // bash is the child's image until its exec: it may be taken for the one that opened `in`.
        let comparison = try compare(Self.lines + [Self.file("/w/in", "r", program: "/usr/bin/bash")])
        #expect(comparison.unexplained.isEmpty)
        #expect(comparison.explained.count == 1)
        #expect(comparison.precision < 1)
    }

    @Test func leavesOutOtherGroupsAndPseudoFiles() throws {
        let foreign = Self.file("/w/x", "r").replacing(#""workload":"g""#, with: #""workload":"h""#)
        #expect(try compare(Self.lines + [foreign, Self.file("/proc/1/stat", "r")]).precision == 1)
    }

    @Test func readsNamesThatAreNoText() throws {
        let raw = Data([0x2f, 0x77, 0xff]).base64EncodedString()
        let line = Self.file("/w", "r").replacing(
            #""path":"/w""#, with: #""path":"/w?","path_raw":"\#(raw)""#)
        let dump = try Dump(text: Self.header + "\n" + line + "\n")
        #expect(dump.dependencies.first?.exactPath == #"/w\xff"#)
    }

    @Test(arguments: ["", "{}\n", "{\"type\":\"header\"", "[]\n"])
    func refusesWhatIsNoDump(text: String) {
        #expect(throws: (any Error).self) { try Dump(text: text) }
    }

    @Test func refusesADumpThatBreaksOff() throws {
        let text = ([Self.header] + Self.lines).joined(separator: "\n") + "\n"
        #expect(throws: (any Error).self) { try Dump(text: String(text.dropLast(30))) }
        #expect(throws: (any Error).self) { try Dump(text: String(text.dropLast())) }
    }
}
