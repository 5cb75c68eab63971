import Control
import Foundation
import SystemCalls
import TestSupport
import Testing

@testable import Daemon

@Suite struct ControlHandlersTests {
    /// Ten thousand connections of somebody who may ask for the status: a few are kept, the others turned away and
    /// counted, root is answered meanwhile, and those that stay silent are let go and counted.
    @Test(.privileged) func aFloodDoesNotStarveRoot() throws {
        try withTemporaryFolder { folder in
            #expect(chmod(folder, 0o755) == 0)
            let state = folder + "/state"
            try makeFolder(state)
            var handlers = try ControlHandlers(named: folder + "/socket", stateFolder: state, group: 65_533)
            let script = """
                import socket, sys, time
                kept = []
                for n in range(10000):
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                    s.connect("\(folder)/socket")
                    if n < 100: kept.append(s)
                print("connected", flush=True)
                time.sleep(600)
                """
            let flood = try Child(
                ["setpriv", "--reuid=65534", "--regid=65534", "--groups=65533", "python3", "-c", script])
            let isConnected: Bool? = eventually(within: 100, every: 0.001) {
                _ = handlers.accept()
                return flood.outputText.isEmpty ? nil : true
            }
            #expect(isConnected == true, "\(flood.errorText)")
            _ = handlers.accept()
            #expect(handlers.refused == 10_000 - UInt64(ControlPlaces.mostOfUser))
            #expect(handlers.count == ControlPlaces.mostOfUser)

            let root = try Child([try Products.path("retinue"), "dump", "--socket", folder + "/socket"])
            var waiting: [Int32] = []
            let isOver: Bool? = eventually(within: 60, every: 0.001) {
                waiting += handlers.accept()
                for number in waiting where handlers.request(from: number) == .dump {
                    handlers.answer(number, error: "served")
                }
                return root.endingIfOver() == nil ? nil : true
            }
            #expect(
                isOver == true && root.errorText == "retinue: retinued says: served\n", "\(root.errorText)")
            handlers.dropSilent(olderThan: 0)
            #expect(handlers.dropped == UInt64(ControlPlaces.mostOfUser) && handlers.count == 0)
        }
    }
}
