import Foundation
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

extension DumpFolder {
    /// A dump from beginning to end, as the loop and its thread make it together.
    @discardableResult
    func write(
        _ ledger: borrowing Ledger, _ header: DumpHeader, time: UInt64, keep: Int
    ) throws(SystemError) -> String {
        let file = try begin()
        do throws(SystemError) {
            try Self.fill(file, ledger, header)
        } catch {
            abandon()
            throw error
        }
        return try publish(file, time: time, keep: keep)
    }

    func writeNameless(
        _ ledger: borrowing Ledger, _ header: DumpHeader
    ) throws(SystemError) -> FileDescriptor {
        do throws(SystemError) {
            let file = try nameless()
            try Self.fill(file, ledger, header)
            return file
        } catch {
            let file = try Self.inMemory()
            try Self.fill(file, ledger, header)
            return file
        }
    }

    private static func fill(
        _ file: borrowing FileDescriptor, _ ledger: borrowing Ledger, _ header: DumpHeader
    ) throws(SystemError) {
        try ledger.writeNDJSON(header: header) { (bytes: UnsafeRawBufferPointer) throws(SystemError) in
            try file.writeAll(bytes)
        }
    }
}

@Suite struct DumpFolderTests {
    /// 2026-11-21T02:00:00.123Z
    private static let time: UInt64 = 1_795_226_400_123_000_000

    private func header() -> DumpHeader {
        var header = DumpHeader()
        header.hostID = "h"
        header.time = Self.time
        return header
    }

    /// A ledger whose dump has about so many lines.
    private func ledger(_ count: Int = 23) -> Ledger {
        var ledger = Ledger()
        let program = ledger.intern(Program(executable: ledger.texts.intern("/bin/a")))
        for number in 0..<count {
            let path = ledger.texts.intern("/etc/\(number).conf")
            ledger.note(.file(program, path: path), access: .opened, evidence: .exact, time: Self.time)
        }
        return ledger
    }

    private func names(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    }

    private func latest(_ folder: String) throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: folder + "/latest.ndjson")
    }

    @Test func aDumpAndItsLink() throws {
        try withTemporaryFolder { folder in
            let dumps = try DumpFolder(path: folder)
            let path = try dumps.write(ledger(), header(), time: Self.time, keep: 20)
            #expect(path == folder + "/20261121T020000.123Z.ndjson")
            #expect(try names(folder) == ["20261121T020000.123Z.ndjson", "latest.ndjson"])
            // By name alone, so that the folder can be moved.
            #expect(try latest(folder) == "20261121T020000.123Z.ndjson")
            let bytes = try FileDescriptor.open(folder + "/latest.ndjson", O_RDONLY).readAll()
            let contents = try DumpContents(ndjson: bytes)
            #expect(contents.header.hostID == "h")
            let count = contents.ledger.records.count
            #expect(count == 23)
            var status = stat()
            #expect(stat(path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
        }
    }

    @Test func severalInOneMillisecond() throws {
        try withTemporaryFolder { folder in
            let dumps = try DumpFolder(path: folder)
            for number in 1...3 {
                let path = try dumps.write(ledger(number), header(), time: Self.time, keep: 20)
                #expect(path == folder + "/" + (try latest(folder)))
            }
            let stamp = "20261121T020000.123Z"
            #expect(
                try names(folder).filter { $0 != "latest.ndjson" }
                    == ["\(stamp).ndjson", "\(stamp)~2.ndjson", "\(stamp)~3.ndjson"])
            // The oldest goes first among these too.
            try dumps.write(ledger(), header(), time: Self.time + 1_000_000, keep: 2)
            #expect(
                try names(folder).filter { $0 != "latest.ndjson" }
                    == ["20261121T020000.124Z.ndjson", "\(stamp)~3.ndjson"].sorted())
        }
    }

    @Test func theOldestGo() throws {
        try withTemporaryFolder { folder in
            try write("mine", to: folder + "/notes.ndjson")
            try write("mine", to: folder + "/2026.txt")
            let dumps = try DumpFolder(path: folder)
            for number in 0..<23 as Range<UInt64> {
                try dumps.write(ledger(1), header(), time: Self.time + number * 1_000_000_000, keep: 5)
            }
            let kept = (18..<23).map { "20261121T0200\($0).123Z.ndjson" }
            #expect(try names(folder) == (["2026.txt", "latest.ndjson", "notes.ndjson"] + kept).sorted())
            try dumps.write(ledger(1), header(), time: Self.time + 60_000_000_000, keep: 1)
            #expect(try names(folder).filter { $0.hasPrefix("2026112") } == ["20261121T020100.123Z.ndjson"])
        }
    }

    /// A clock that was set back: the new dump's name sorts first, but it is not the oldest.
    @Test func theNewOneStaysWhateverTheClock() throws {
        try withTemporaryFolder { folder in
            let dumps = try DumpFolder(path: folder)
            for number in 1...3 as ClosedRange<UInt64> {
                try dumps.write(ledger(1), header(), time: Self.time + number * 1_000_000_000, keep: 3)
            }
            let path = try dumps.write(ledger(2), header(), time: Self.time, keep: 3)
            #expect(access(path, F_OK) == 0)
            #expect(folder + "/" + (try latest(folder)) == path)
            #expect(access(folder + "/latest.ndjson", F_OK) == 0)
            #expect(try names(folder).count == 4)
        }
    }

    @Test func debrisOfADaemonThatDiedIsNoHindrance() throws {
        try withTemporaryFolder { folder in
            try write("half", to: folder + "/.dump.tmp")
            #expect(symlink("x", folder + "/.latest.tmp") == 0)
            #expect(symlink("gone.ndjson", folder + "/latest.ndjson") == 0)
            try write("half", to: folder + "/.client.tmp")
            let dumps = try DumpFolder(path: folder)
            try dumps.write(ledger(), header(), time: Self.time, keep: 20)
            let file = try dumps.writeNameless(ledger(), header())
            #expect(file.number >= 0)
            #expect(try names(folder) == ["20261121T020000.123Z.ndjson", "latest.ndjson"])
        }
    }

    @Test func linksAreNotWrittenThrough() throws {
        try withTemporaryFolder { folder in
            try write("precious", to: folder + "/precious")
            for name in [".dump.tmp", ".client.tmp", "latest.ndjson"] {
                #expect(symlink("precious", folder + "/" + name) == 0)
            }
            let dumps = try DumpFolder(path: folder)
            try dumps.write(ledger(), header(), time: Self.time, keep: 20)
            _ = try dumps.writeNameless(ledger(), header())
            #expect(try String(contentsOfFile: folder + "/precious", encoding: .utf8) == "precious")
        }
    }

    @Test func namelessDumpIsWholeAndGone() throws {
        try withTemporaryFolder { folder in
            let file = try DumpFolder(path: folder).writeNameless(ledger(), header())
            #expect(try names(folder) == [])
            #expect(lseek(file.number, 0, SEEK_SET) == 0)
            let contents = try DumpContents(ndjson: try file.readAll())
            let count = contents.ledger.records.count
            #expect(count == 23)
        }
    }

    private func code(_ call: () throws(SystemError) -> Void) -> Int32? {
        do throws(SystemError) {
            try call()
            return nil
        } catch { return error.code }
    }

    /// What comes in its place is looked at like one at the start.
    @Test func aFolderThatWasRemoved() throws {
        try withTemporaryFolder { folder in
            let dumps = try DumpFolder(path: folder + "/dumps")
            let ledger = ledger()
            let header = header()
            #expect(rmdir(folder + "/dumps") == 0)
            try makeFolder(folder + "/dumps")
            #expect(chmod(folder + "/dumps", 0o777) == 0)
            #expect(
                code { () throws(SystemError) in
                    try dumps.write(ledger, header, time: Self.time, keep: 20)
                } == EPERM)
            #expect(chmod(folder + "/dumps", 0o700) == 0)
            try dumps.write(ledger, header, time: Self.time, keep: 20)
            #expect(try names(folder + "/dumps") == ["20261121T020000.123Z.ndjson", "latest.ndjson"])
        }
    }

    /// The link cannot be put in place: the dump is whole, nothing else is left.
    @Test func aFolderInPlaceOfTheLink() throws {
        try withTemporaryFolder { folder in
            let dumps = try DumpFolder(path: folder)
            try makeFolder(folder + "/latest.ndjson")
            let ledger = ledger()
            let header = header()
            #expect(
                code { () throws(SystemError) in
                    try dumps.write(ledger, header, time: Self.time, keep: 20)
                } == EISDIR)
            #expect(try names(folder) == ["20261121T020000.123Z.ndjson", "latest.ndjson"])
        }
    }

    @Test(.privileged) func aFullDiskLeavesNoDebris() throws {
        let scratch = try ScratchFilesystem(.tmpfs)
        let dumps = try DumpFolder(path: scratch.path)
        try dumps.write(ledger(1), header(), time: Self.time, keep: 20)
        try run(["mount", "-o", "remount,size=64k", scratch.path])
        let before = try names(scratch.path)
        let large = ledger(10_000)
        let header = header()
        #expect(
            code { () throws(SystemError) in
                try dumps.write(large, header, time: Self.time + 1_000_000_000, keep: 20)
            } == ENOSPC)
        // A client gets its dump all the same.
        let file = try dumps.writeNameless(large, header)
        #expect(lseek(file.number, 0, SEEK_SET) == 0)
        let count = try DumpContents(ndjson: try file.readAll()).ledger.records.count
        #expect(count == 10_000)
        #expect(try names(scratch.path) == before)
        #expect(try latest(scratch.path) == "20261121T020000.123Z.ndjson")
    }
}
