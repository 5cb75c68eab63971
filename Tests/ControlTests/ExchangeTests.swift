import CLinux
import Glibc
import Synchronization
import SystemCalls
import Testing

@testable import Control

@Suite("Both ends talk")
struct ExchangeTests {
    let folder = TestFolder()

    @Test func statusComesBackAsSent() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        #expect(try status() == TestDaemon.status)
    }

    /// As long as a datagram holds, and longer: a host of any size has a status.
    @Test(arguments: [0, 1, 60 * 1024 - 21, 60 * 1024 - 20, 60 * 1024 - 19, 1 << 20, 9_000_011])
    func aStatusOfAnyLength(count: Int) throws {
        let text = (0..<count).map { UInt8(truncatingIfNeeded: 0x20 + $0 % 23) }
        let daemon = try TestDaemon(path: folder.socket, status: text)
        defer { daemon.stop() }
        #expect(try status() == text)
        #expect(daemon.failed.load(ordering: .relaxed) == 0)
    }

    @Test func aForgetRequestArrivesAsItWasMade() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        let filter = ForgetFilter(
            program: "/a=b", path: String(repeating: "ü", count: 2000), workload: "w\n", age: 23)
        for isDryRun in [false, true] {
            let request = ControlRequest.forget(filter, isDryRun: isDryRun)
            let reply = try ControlClient.request(folder.socket, request, timeoutMilliseconds: 5000)
            guard case .forgotten(let counts) = consume reply else { Issue.record(); return }
            #expect(counts.map(\.relation) == ["file", "spawn"])
            #expect(counts.map(\.records) == [23, isDryRun ? 1 : 0])
            #expect(try ControlMessage.decode(ControlMessage.encode(request)[...]) == request)
        }
    }

    @Test func dumpIsReadFromItsStart() throws {
        let lines = Array(String(repeating: "{\"type\":\"gap\"}\n", count: 100_000).utf8)
        let daemon = try TestDaemon(path: folder.socket, dump: lines)
        let file = try dump()
        // Nothing of the daemon is needed any more.
        daemon.stop()
        #expect(try file.readAll() == lines)
        #expect(clinux_fcntl(file.number, F_GETFD, 0) & FD_CLOEXEC != 0)
    }

    @Test func aSlowReaderHoldsUpNobody() throws {
        let daemon = try TestDaemon(path: folder.socket, dump: [1, 2, 3])
        defer { daemon.stop() }
        let slow = try dump()
        for _ in 0..<23 { #expect(try status() == TestDaemon.status) }
        let second = try dump()
        #expect(try second.readAll() == [1, 2, 3])
        #expect(try slow.readAll() == [1, 2, 3])
    }

    @Test func theDaemonsSentenceReachesTheClient() throws {
        let daemon = try TestDaemon(path: folder.socket, dump: nil)
        defer { daemon.stop() }
        #expect(throws: ControlError.refused("the disk is full")) { _ = try dump() }
        #expect(ControlError.refused("the disk is full").description == "retinued says: the disk is full")
    }

    @Test func aPeerThatIsNotServedIsRefused() throws {
        let daemon = try TestDaemon(path: folder.socket, isServed: { _ in false })
        defer { daemon.stop() }
        for _ in 0..<23 {
            #expect(
                throws: ControlError.refused(
                    "user \(geteuid()) is not served; ask as root, as the daemon's user, or for the status "
                        + "and dumps as a member of the group retinue")
            ) {
                try status()
            }
        }
    }

    @Test func descriptorsAreGivenBack() throws {
        let daemon = try TestDaemon(path: folder.socket, dump: [1])
        defer { daemon.stop() }
        // The lowest free number rises if one exchange leaves something open; other tests run beside
        // this one, so what is looked at is the growth over many.
        let before = lowestFreeDescriptor()
        for _ in 0..<499 {
            _ = try status()
            _ = try dump()
        }
        #expect(lowestFreeDescriptor() < before + 250)
    }

    @Test func aLongPathIsReached() throws {
        let deep = folder.path + "/" + String(repeating: "d", count: 120)
        #expect(mkdir(deep, 0o700) == 0)
        let daemon = try TestDaemon(path: deep + "/retinued.sock")
        #expect(throws: ControlError.inUse(path: deep + "/retinued.sock")) {
            _ = try ControlServer(path: deep + "/retinued.sock")
        }
        let reply = try ControlClient.request(deep + "/retinued.sock", .status, timeoutMilliseconds: 2000)
        guard case .status(let text) = consume reply else { Issue.record(); return }
        #expect(text == TestDaemon.status)
        daemon.stop()
    }

    private func status() throws -> [UInt8] {
        let reply = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 5000)
        guard case .status(let text) = consume reply else { preconditionFailure() }
        return text
    }

    private func dump() throws -> FileDescriptor {
        let reply = try ControlClient.request(folder.socket, .dump, timeoutMilliseconds: 5000)
        guard case .dump(let file) = consume reply else { preconditionFailure() }
        return file
    }
}

private func lowestFreeDescriptor() -> Int32 {
    let number = dup(0)
    close(number)
    return number
}
