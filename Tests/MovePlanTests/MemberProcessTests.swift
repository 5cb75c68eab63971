import Foundation
import MovePlan
import TestSupport
import Testing

/// Which program a process runs, where several have scripts of one name.
@Suite struct MemberProcessTests {
    private let python = Array("/usr/bin/python3.11".utf8)

    private func withScripts(_ body: (_ folder: String, _ programs: [PlannedProgram]) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let real = try #require(realpath(folder, nil).map { String(cString: $0) })
            var programs: [PlannedProgram] = []
            for name in ["a", "b"] {
                try FileManager.default.createDirectory(
                    atPath: "\(real)/\(name)", withIntermediateDirectories: true)
                try Data().write(to: URL(fileURLWithPath: "\(real)/\(name)/job.py"))
                var program = PlannedProgram(executable: python)
                program.script = Array("\(real)/\(name)/job.py".utf8)
                programs.append(program)
            }
            try FileManager.default.createSymbolicLink(
                atPath: "\(real)/c", withDestinationPath: "\(real)/a")
            try body(real, programs)
        }
    }

    /// Which of the programs are taken to be run.
    private func run(_ words: [String], at folder: String?, _ programs: [PlannedProgram]) -> [Int] {
        programs.indices.filter {
            programs[$0].isRun(
                by: python, words.map { Array($0.utf8) }, in: [], at: folder.map { Array($0.utf8) },
                among: programs)
        }
    }

    @Test func scriptsOfOneNameAreTwoPrograms() throws {
        try withScripts { folder, programs in
            #expect(run(["python3", "\(folder)/a/job.py", "x"], at: "/", programs) == [0])
            #expect(run(["python3", "\(folder)/b/job.py"], at: "/", programs) == [1])
            // By a link, and relative to its folder.
            #expect(run(["python3", "\(folder)/c/job.py"], at: "/", programs) == [0])
            #expect(run(["python3", "job.py"], at: "\(folder)/b", programs) == [1])
            #expect(run(["python3", "../a/job.py"], at: "\(folder)/b", programs) == [0])
            #expect(run(["python3", "other.py"], at: "\(folder)/b", programs) == [])
        }
    }

    @Test func whatLeadsNowhereFromHereMayBeEither() throws {
        try withScripts { folder, programs in
            // It went to another folder when it had begun.
            #expect(run(["python3", "job.py"], at: "/nowhere", programs) == [0, 1])
            #expect(run(["python3", "job.py"], at: nil, programs) == [0, 1])
        }
    }
}
