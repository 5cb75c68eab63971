import Foundation
import Records
import RecordStore
import TestSupport
import Testing

@testable import Daemon

/// What a daemon kept that ran as root goes to one of another user.
@Suite(.privileged) struct EarlierStateTests {
    private static let user: uid_t = 64_091

    /// A folder of root's as such a daemon left it, and one of the user's in it.
    private func withFolders(_ body: (_ old: String, _ new: String) throws -> Void) throws {
        try withTemporaryFolder { folder in
            let (old, new) = (folder + "/retinue", folder + "/retinue/daemon")
            try makeFolder(old + "/dumps")
            try makeFolder(old + "/agent/cells")
            try makeFolder(new)
            #expect(chmod(folder, 0o755) == 0 && chmod(old, 0o700) == 0 && chmod(old + "/agent", 0o700) == 0)
            #expect(chown(new, Self.user, Self.user) == 0 && chmod(new, 0o700) == 0)
            for name in [
                "retinue.db", "retinue.db-wal", "retinue.db-shm", "retinue.db.damaged-1", "lock", "other",
            ] {
                try write(name, to: old + "/" + name)
                #expect(chmod(old + "/" + name, 0o600) == 0)
            }
            try write("dump", to: old + "/dumps/1.ndjson")
            #expect(symlink("1.ndjson", old + "/dumps/latest.ndjson") == 0)
            try body(old, new)
        }
    }

    private func owner(_ path: String) -> uid_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_uid : nil
    }

    private func names(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    /// Moves, and expects so many files to go.
    private func expect(_ count: Int, _ old: String, _ new: String) throws {
        let moved = try EarlierState(old).move(to: new)
        #expect(moved == count)
    }

    private func failure(_ old: String, _ new: String) -> String? {
        do throws(StartError) {
            _ = try EarlierState(old).move(to: new)
            return nil
        } catch { return error.description }
    }

    @Test func isHandedOver() throws {
        try withFolders { old, new in
            try expect(5, old, new)
            #expect(
                try names(new)
                    == ["dumps", "retinue.db", "retinue.db-shm", "retinue.db-wal", "retinue.db.damaged-1"])
            for path in try names(new) + ["dumps/1.ndjson", "dumps/latest.ndjson"] {
                #expect(owner(new + "/" + path) == Self.user, "\(path)")
            }
            #expect(try String(contentsOfFile: new + "/dumps/latest.ndjson", encoding: .utf8) == "dump")
            // The agent's, and what nobody knows, stay root's and where they are.
            #expect(try names(old) == ["agent", "daemon", "other"])
            #expect(owner(old) == 0 && owner(old + "/agent") == 0 && owner(old + "/agent/cells") == 0)
            // And once only.
            try expect(0, old, new)
        }
    }

    /// A move that was cut off between two files is gone on with.
    @Test func halfOfIt() throws {
        try withFolders { old, new in
            #expect(rename(old + "/retinue.db-wal", new + "/retinue.db-wal") == 0)
            #expect(chown(new + "/retinue.db-wal", Self.user, Self.user) == 0)
            #expect(chown(old + "/retinue.db", Self.user, Self.user) == 0)
            try expect(4, old, new)
            let there = try names(new)
            #expect(there.contains("retinue.db") && there.contains("retinue.db-wal"))
        }
    }

    @Test func aStoreThatHasBegunIsKept() throws {
        try withFolders { old, new in
            try write("begun", to: new + "/retinue.db")
            try expect(0, old, new)
            #expect(try String(contentsOfFile: new + "/retinue.db", encoding: .utf8) == "begun")
            #expect(try String(contentsOfFile: old + "/retinue.db", encoding: .utf8) == "retinue.db")
        }
    }

    @Test func aDaemonThatStillRuns() throws {
        try withFolders { old, new in
            let holder = open(old + "/lock", O_RDWR)
            defer { close(holder) }
            #expect(flock(holder, LOCK_EX) == 0)
            #expect(failure(old, new)?.contains("still uses \(old)") == true)
            #expect(owner(old + "/retinue.db") == 0)
        }
    }

    /// What is in the way, or was put there for root to stumble over, changes nothing but the files that go.
    @Test func whatTheUserHasPlanted() throws {
        try withFolders { old, new in
            let victim = old + "/other"
            #expect(symlink(victim, new + "/retinue.db-wal") == 0)
            try expect(5, old, new)
            #expect(try String(contentsOfFile: victim, encoding: .utf8) == "other")
            #expect(owner(victim) == 0)
            #expect(try String(contentsOfFile: new + "/retinue.db-wal", encoding: .utf8) == "retinue.db-wal")
        }
        try withFolders { old, new in
            try makeFolder(new + "/retinue.db-wal/full")
            let said = failure(old, new)
            #expect(said?.contains("\(old)/retinue.db, cannot be handed over") == true, "\(said ?? "done")")
            #expect(access(old + "/retinue.db", F_OK) == 0)
        }
        // A folder of his own in the place of root's is not looked at.
        try withFolders { old, new in
            #expect(chown(old, Self.user, Self.user) == 0)
            try expect(0, old, new)
            #expect(owner(old + "/retinue.db") == 0)
        }
    }

    @Test func nothingThere() throws {
        try withTemporaryFolder { folder in
            try expect(0, folder + "/missing", folder + "/new")
            try expect(0, folder, folder + "/new")
            #expect(access(folder + "/new", F_OK) != 0)
        }
    }
}
