import Foundation
import SystemCalls
import TestSupport
import Testing

@testable import Control

/// Whom a client takes for the daemon, besides root and its own user.
@Suite("The daemon's user")
struct DaemonUserTests {
    /// A folder where only root may make anything, as in /run itself; removed with the value.
    private final class Place {
        let path = "/run/retinue-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"

        init() throws {
            try makeFolder(path)
            #expect(chmod(path, 0o755) == 0)
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        /// A folder in it.
        func folder(_ name: String, of user: uid_t, mode: mode_t = 0o755) throws -> String {
            let folder = path + "/" + name
            try makeFolder(folder)
            #expect(chown(folder, user, 64_000) == 0 && chmod(folder, mode) == 0)
            return folder
        }
    }

    @Test(.privileged) func whomRootHasGivenTheFolderTo() throws {
        let place = try Place()
        let given = try place.folder("given", of: 64_091)
        #expect(DaemonUser.number(given) == 64_091)
        #expect(DaemonUser.number(given + "/") == 64_091)
        #expect(DaemonUser.number(try place.folder("roots", of: 0)) == 0)
        #expect(DaemonUser.number(place.path + "/missing") == nil)
    }

    /// Whatever somebody else could have made, or could put in its place.
    @Test(.privileged) func nobodyElse() throws {
        let place = try Place()
        for mode in [0o775, 0o757, 0o1777] as [mode_t] {
            #expect(DaemonUser.number(try place.folder("open-\(mode)", of: 64_091, mode: mode)) == nil)
        }
        // In a folder of his own, and in one where everybody may write.
        let given = try place.folder("given", of: 64_092)
        #expect(DaemonUser.number(try place.folder("given/below", of: 64_092)) == nil)
        #expect(DaemonUser.number(try place.folder("given/below", of: 0)) == nil)
        _ = try place.folder("sticky", of: 0, mode: 0o1777)
        #expect(DaemonUser.number(try place.folder("sticky/below", of: 64_091)) == nil)
        // Links, also of root's; what is no folder; what no user namespace knows.
        #expect(symlink(given, place.path + "/link") == 0)
        #expect(DaemonUser.number(place.path + "/link") == nil)
        #expect(DaemonUser.number(place.path + "/link/") == nil)
        try write("x", to: place.path + "/file")
        #expect(chown(place.path + "/file", 64_091, 64_091) == 0)
        #expect(DaemonUser.number(place.path + "/file") == nil)
        let nobodys = try place.folder("nobodys", of: 65_534)
        #expect(DaemonUser.isBelieved(65_534, at: nobodys + "/a", nobodys))
        #expect(!DaemonUser.isBelieved(65_534, at: given + "/a", nobodys))
        #expect(!DaemonUser.isBelieved(65_534, at: nobodys + "/below/a", nobodys))
        #expect(DaemonUser.number("\(place.path)/sticky/../given") == nil)
        #expect(DaemonUser.number(String(given.dropFirst())) == nil)
    }

    /// A daemon answers where it listens as whom it was given the folder, and nobody else does, there or elsewhere.
    @Test(.privileged) func itsAnswerIsBelieved() throws {
        let place = try Place()
        let given = try place.folder("given", of: 64_091)
        let open = try place.folder("open", of: 0, mode: 0o777)
        for (user, socket, isBelieved) in [
            (64_091, given + "/a", true), (64_091, open + "/b", true), (64_092, open + "/c", false),
        ] {
            let script = """
                import socket
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.bind("\(socket)")
                s.listen(1)
                print("listening", flush=True)
                k, _ = s.accept()
                k.settimeout(20)
                if k.recv(100): k.send(b"retinue-control/2 ok\\n{}")
                """
            let child = try Child([
                "setpriv", "--reuid=\(user)", "--regid=\(user)", "--clear-groups", "python3", "-c", script,
            ])
            _ = try child.firstLine()
            func ask() throws(ControlError) -> ControlReply {
                try ControlClient.request(socket, .status, timeoutMilliseconds: 5000, userOf: given)
            }
            if isBelieved {
                guard case .status = try ask() else { throw Failure("no status") }
            } else {
                #expect(throws: ControlError.foreignDaemon(path: socket, user: UInt32(user))) {
                    _ = try ask()
                }
            }
            try child.wait()
        }
    }
}
