import Glibc
import TestSupport
import SystemCalls
import Testing

@testable import Control

@Suite("Who may ask for what")
struct PeerTests {
    @Test func whatNeedsRoot() {
        #expect(ControlVerb.allCases.filter { !$0.needsRoot } == [.status, .dump, .changes])
    }

    /// One user takes only some places, all of them together leave those of root.
    @Test func placesOfRootAreKept() {
        var places = ControlPlaces()
        var taken = 0
        for number in 0..<10_000 as Range<UInt32> {
            if places.take(ControlPeer(user: 1000 + number % 100, role: .member)) { taken += 1 }
        }
        #expect(taken == ControlPlaces.most - ControlPlaces.reserved)
        #expect(places.refused == UInt64(10_000 - taken))
        let root = ControlPeer(user: 0, role: .root)
        let ofRoot = (0..<100).filter { _ in places.take(root) }.count
        #expect(ofRoot == ControlPlaces.reserved)
        places.release(ControlPeer(user: 1000, role: .member))
        let isTaken = places.take(root)
        #expect(isTaken)
    }

    @Test func aUserHasFewPlaces() {
        var places = ControlPlaces()
        let user = ControlPeer(user: 1000, role: .member)
        let ofUser = (0..<23).filter { _ in places.take(user) }.count
        #expect(ofUser == ControlPlaces.mostOfUser)
        let isTaken = places.take(ControlPeer(user: 1001, role: .member))
        #expect(isTaken)
        places.release(user)
        let again = (0..<23).filter { _ in places.take(user) }.count
        #expect(again == 1)
    }

    /// Without CAP_CHOWN, as its unit has it run, the daemon can give its socket to a group only that it is of itself.
    @Test(.privileged) func theSocketGoesToAGroupOfTheDaemons() async {
        await #expect(processExitsWith: .success) {
            let folder = TestFolder()
            guard chmod(folder.path, 0o777) == 0 else { exit(2) }
            for isMember in [false, true] {
                var groups: [gid_t] = isMember ? [65_533] : []
                guard seteuid(0) == 0, setgroups(groups.count, &groups) == 0, seteuid(65_534) == 0 else {
                    exit(3)
                }
                let found = try socketOfGroup(folder.socket)
                guard found.isGiven == isMember, found.isRefused != isMember else { exit(6) }
            }
            guard seteuid(0) == 0 else { exit(3) }
        }
    }

    /// A member of the group may connect and ask for the status and dumps, to read; others may not connect at all.
    @Test(.privileged) func membersOfTheGroup() throws {
        let folder = TestFolder()
        #expect(chmod(folder.path, 0o755) == 0)
        let server = Box(try ControlServer(path: folder.socket, group: 65_533))
        var status = stat()
        #expect(
            lstat(folder.socket, &status) == 0 && status.st_mode & 0o777 == 0o660 && status.st_gid == 65_533)
        for (groups, verb, answer) in [
            ("--clear-groups", "status", "PermissionError"), ("--groups=65533", "status", "ok"),
            ("--groups=65533", "dump", "a line; Bad file descriptor; Permission denied"),
            ("--clear-groups", "dump", "PermissionError"),
            (
                "--groups=65533", "forget\\0path=/a",
                "forget is for root; members of the group retinue may ask for the status and for dumps"
            ),
        ] {
            let script = """
                import os, socket
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                try:
                    s.connect("\(folder.socket)")
                    s.send(b"retinue-control/2 \(verb)")
                    answer, files, _, _ = socket.recv_fds(s, 1000, 1)
                    said = [answer.decode()]
                    for file in files:
                        said = [os.read(file, 100).decode()]
                        for attempt in (lambda: os.write(file, b"x"),
                                        lambda: os.open(f"/proc/self/fd/{file}", os.O_WRONLY)):
                            try:
                                attempt()
                                said.append("done")
                            except OSError as error:
                                said.append(error.strerror)
                    print("; ".join(said))
                except PermissionError:
                    print("PermissionError")
                """
            let child = try Child(
                ["setpriv", "--reuid=65534", "--regid=65534", groups, "python3", "-c", script])
            _ = eventually(within: 20) {
                server.with { answerOne($0) }
                return child.endingIfOver() == nil ? nil : true
            }
            #expect(
                child.outputText.contains(answer), "\(groups) \(verb): \(child.outputText)\(child.errorText)")
        }
    }

    /// Takes a connection if one waits, and gives it what it may have.
    private func answerOne(_ server: borrowing ControlServer) {
        guard var connection = try? server.accept() else { return }
        for _ in 0..<2000 {
            do throws(ControlError) {
                guard let request = try connection.request() else {
                    usleep(1000)
                    continue
                }
                if request == .status { try connection.reply(status: []) }
                if request == .dump { try connection.reply(dump: unnamedFile(Array("a line".utf8))) }
            } catch {}
            return
        }
    }

    /// Who listens where root looks is not asked if he is somebody else.
    @Test(.privileged) func aListenerOfAnotherUser() throws {
        let folder = TestFolder()
        #expect(chmod(folder.path, 0o777) == 0)
        let script = """
            import socket
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.bind("\(folder.socket)")
            s.listen(1)
            print("listening", flush=True)
            k, _ = s.accept()
            k.settimeout(20)
            print("asked:", k.recv(100), flush=True)
            """
        let child = try Child([
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "python3", "-c", script,
        ])
        _ = try child.firstLine()
        #expect(throws: ControlError.foreignDaemon(path: folder.socket, user: 65534)) {
            _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 5000)
        }
        try child.wait()
        #expect(child.outputText == "listening\nasked: b''\n")
    }
}

/// Makes a socket for a group, and looks at it.
private func socketOfGroup(_ path: String) throws -> (isGiven: Bool, isRefused: Bool) {
    let server = try ControlServer(path: path, group: 65_533)
    var status = stat()
    guard lstat(path, &status) == 0 else { throw SystemError("lstat") }
    return (status.st_gid == 65_533 && status.st_mode & 0o777 == 0o660, server.groupRefusal != nil)
}
