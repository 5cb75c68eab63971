import Foundation
import Records
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

/// What lies in a folder that is the daemon's own, and on the way to it.
@Suite struct FolderWalkTests {
    private func failure(_ path: String) -> String? {
        do throws(StartError) {
            let folder = try StateFolder(path)
            _ = folder.path
            return nil
        } catch { return error.description }
    }

    /// Each is left as it was, and so is what a link leads to.
    @Test(arguments: ["retinue.db", "retinue.db-wal", "retinue.db-shm", "retinue.db-journal", "lock"])
    func filesThatAreNotTheDaemonsAlone(name: String) throws {
        try withTemporaryFolder { folder in
            let state = folder + "/s"
            let file = state + "/" + name
            let victim = folder + "/victim"
            func refuse(_ expected: String, _ plant: () throws -> Void) throws {
                try? FileManager.default.removeItem(atPath: state)
                try makeFolder(state)
                #expect(chmod(state, 0o700) == 0)
                try write("precious", to: victim)
                try plant()
                let refusal = failure(state)
                #expect(refusal?.contains("\(file) \(expected)") == true, "\(refusal ?? "no refusal")")
                #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
            }
            try refuse("is a symbolic link") { #expect(symlink(victim, file) == 0) }
            try refuse("has 2 names") { #expect(link(victim, file) == 0) }
            try refuse("is not a regular file") { #expect(mkfifo(file, 0o600) == 0) }
            try refuse("may be written by others") {
                try write("x", to: file)
                #expect(chmod(file, 0o666) == 0)
            }
        }
    }

    @Test func dumpsThatAreALinkOfOurOwn() throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/s")
            try makeFolder(folder + "/elsewhere")
            #expect(chmod(folder + "/elsewhere", 0o777) == 0)
            #expect(symlink("../elsewhere", folder + "/s/dumps") == 0)
            #expect(failure(folder + "/s")?.contains("may be written by others") == true)
        }
    }

    /// A host whose /var leads elsewhere is an ordinary one.
    @Test func linksOfOurOwnAreFollowed() throws {
        try withTemporaryFolder { folder in
            try makeFolder(folder + "/disk/lib")
            #expect(symlink("disk", folder + "/var") == 0)
            #expect(symlink(folder + "/var/lib", folder + "/again") == 0)
            #expect(failure(folder + "/again/retinue") == nil)
            #expect(access(folder + "/disk/lib/retinue/lock", F_OK) == 0)
            #expect(symlink("round", folder + "/round") == 0)
            #expect(failure(folder + "/round/s")?.contains("Too many levels of symbolic links") == true)
        }
    }

    @Test func foldersThatOthersMayWriteIn() throws {
        try withTemporaryFolder { folder in
            let state = folder + "/a/s"
            try makeFolder(state)
            for mode in [0o775, 0o757, 0o777] as [mode_t] {
                #expect(chmod(folder + "/a", mode) == 0)
                #expect(failure(state)?.contains("lies in \(folder)/a, where others may write") == true)
                #expect(chmod(folder + "/a", 0o755) == 0 && chmod(state, mode) == 0)
                #expect(failure(state)?.contains("\(state) may be written by others") == true)
                #expect(chmod(state, 0o700) == 0)
            }
            #expect(chmod(folder + "/a", 0o1777) == 0)
            #expect(failure(state) == nil)
        }
    }

    /// The folder that was looked at is the one that is written to, and what takes its place later is not.
    @Test func whatIsPutInPlaceOfDumps() throws {
        try withTemporaryFolder { folder in
            let state = try StateFolder(folder + "/s")
            try makeFolder(folder + "/victim")
            try write("x", to: folder + "/victim/2020-backup.ndjson")
            #expect(rename(folder + "/s/dumps", folder + "/s/aside") == 0)
            #expect(symlink("../victim", folder + "/s/dumps") == 0)
            try state.dumpFolder.write(Ledger(), DumpHeader(), time: 0, keep: 1)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/victim").count == 1)
            #expect(access(folder + "/s/aside/latest.ndjson", F_OK) == 0)
        }
    }

    /// Removed under the daemon it is made anew, and with it what lies above it.
    @Test func removedDumpsComeBack() throws {
        try withTemporaryFolder { folder in
            let state = try StateFolder(folder + "/s")
            try FileManager.default.removeItem(atPath: folder + "/s")
            try state.dumpFolder.write(Ledger(), DumpHeader(), time: 0, keep: 1)
            #expect(access(folder + "/s/dumps/latest.ndjson", F_OK) == 0)
        }
    }
}
