import Glibc
import SystemCalls
import Testing

@testable import Control

@Suite("Ends of different versions")
struct VersionTests {
    let folder = TestFolder()

    /// What an earlier command line gets from this daemon, in the form that it knows.
    @Test(arguments: ["status", "dump"])
    func anEarlierClient(word: String) throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        let client = RawClient(folder.socket)
        _ = client.send(Array(word.utf8))
        #expect(
            client.receive()
                == "error\nretinued \(retinueVersion) speaks version 2 of the control protocol and this "
                + "retinue version 1; use the retinue that belongs to the daemon")
    }

    @Test func aLaterClient() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        let client = RawClient(folder.socket)
        _ = client.send(Array("retinue-control/3 status please".utf8))
        #expect(
            client.receive()
                == "retinue-control/2 error\nretinued \(retinueVersion) speaks version 2 of the control "
                + "protocol and this retinue version 3; use programs of one version")
    }

    /// Answers of an earlier daemon, which knows no request of ours, and of a later one.
    @Test(arguments: [
        ("error\nan unknown request; retinued 0.1.0 knows status and dump", 1), ("ok\n{}", 1),
        ("retinue-control/3 ok\n{}", 3), ("retinue-control/23\nanything", 23),
    ])
    func anotherDaemon(answer: String, version: Int) throws {
        let listener = try RawListener(folder.socket)
        let thread = TestThread()
        thread.start { listener.answerOne(Array(answer.utf8)) }
        defer { thread.join() }
        let error = ControlError.otherVersion(path: folder.socket, version)
        #expect(throws: error) {
            _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 5000)
        }
        #expect("\(error)".contains("speaks version \(version) of the control protocol"))
    }

    @Test(arguments: [
        "", "retinue-control/", "retinue-control/x", "retinue-control/9999999999", "retinue-control2",
    ])
    func noVersion(text: String) { #expect(ControlMessage.version(of: Array(text.utf8)) == nil) }
}
