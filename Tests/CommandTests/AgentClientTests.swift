import Foundation
import TestSupport
import Testing

@testable import RetinueCommands

@Suite struct AgentClientTests {
    /// What moves programs is told nothing by whoever could make a socket where root looks.
    @Test(.privileged) func aListenerOfAnotherUserIsNotAsked() throws {
        try withTemporaryFolder { folder in
            #expect(chmod(folder, 0o777) == 0)
            let path = folder + "/agent.sock"
            let script = """
                import socket
                s = socket.socket(socket.AF_UNIX)
                s.bind("\(path)")
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
            do throws(RetinueCommands.Failure) {
                let client = try AgentClient(path)
                _ = consume client
                Issue.record("it was believed")
            } catch {
                #expect(error.message.contains("runs as user 65534"), "\(error)")
            }
            try child.wait()
            #expect(child.outputText == "listening\nasked: b''\n")
        }
    }
}
