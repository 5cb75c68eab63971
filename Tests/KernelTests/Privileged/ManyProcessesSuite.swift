import Foundation
import TestSupport
import Testing

extension KernelTests {
    /// 1,009 processes, a prime number that no buffer has as its size, each gone as soon as it has done.
    @Suite("many short processes")
    struct ManyProcessesSuite {
        private static let count = 1009

        @Test(.timeLimit(.minutes(2)))
        func everyFileIsNamedUnderItsProgram() throws {
            let bench = try Bench()
            let folder = try Self.prepare(bench.files)
            let opener = try Products.path("opener")
            let records = try bench.records(of: [opener, "\(Self.count)", folder])
            Self.check(records, folder, "one program") { _ in opener }
            try bench.daemon.stop()
        }

        @Test(.timeLimit(.minutes(2)))
        func everyProgramHasItsOwnFiles() throws {
            let bench = try Bench()
            let folder = try Self.prepare(bench.files)
            let opener = try Products.path("opener")
            let programs = (0..<101).map { "\(folder)/program-\($0)" }
            for program in programs { try FileManager.default.copyItem(atPath: opener, toPath: program) }
            let records = try bench.records(of: [opener, "\(Self.count)", folder] + programs)
            Self.check(records, folder, "101 programs") { programs[$0 % programs.count] }
            let started = Set(records.relation("spawn").compactMap(\.child?.executable))
            let wrong = started.symmetricDifference(programs).subtracting([opener])
            #expect(wrong.isEmpty)
            try bench.daemon.stop()
        }

        private static func prepare(_ files: ScratchFilesystem) throws -> String {
            let folder = try files.folder("many")
            try makeFolder(folder + "/write")
            try makeFolder(folder + "/read")
            for number in 0..<count { try write("x", to: "\(folder)/read/\(number)") }
            return folder
        }

        private static func check(
            _ records: [Dump.Dependency], _ folder: String, _ name: String, program: (Int) -> String
        ) {
            var byPath: [String: [Dump.Dependency]] = [:]
            for record in records where record.relation == "file" {
                byPath[record.path ?? "", default: []].append(record)
            }
            func isRight(_ path: String, _ access: String, _ number: Int) -> Bool {
                guard let records = byPath[path], let record = records.first, records.count == 1 else {
                    return false
                }
                return record.program.executable == program(number) && record.access == access
                    && record.evidence == "exact" && record.kind == "regular"
            }
            let wrongReads = (0..<count).filter { !isRight("\(folder)/read/\($0)", "r", $0) }
            let wrongWrites = (0..<count).filter { !isRight("\(folder)/write/\($0)", "rw", $0) }
            print(
                "\(count) processes, \(name): read \(count - wrongReads.count), "
                    + "written \(count - wrongWrites.count)")
            let examples =
                (wrongReads.prefix(3).map { "\(folder)/read/\($0)" }
                + wrongWrites.prefix(3).map { "\(folder)/write/\($0)" })
                .map { path in "\(path): \(byPath[path]?.map(\.short) ?? [])" }
            #expect(wrongReads.isEmpty, "\(examples)")
            #expect(wrongWrites.isEmpty, "\(examples)")
        }
    }
}

extension Dump.Dependency {
    /// A record in a few words, for a message.
    var short: String {
        "\(program.executable) \(relation) \(access ?? "") \(kind ?? "") \(evidence) \(count)"
    }
}
