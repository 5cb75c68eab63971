import Glibc
import Synchronization
import SystemCalls
import Testing

@testable import Control

@Suite("The path of a server")
struct ServerTests {
    let folder = TestFolder()

    @Test func onlyItsUserMayConnect() throws {
        let server = try ControlServer(path: folder.socket)
        #expect(mode(folder.socket) == S_IFSOCK | 0o600)
        _ = server.number
    }

    @Test func aStaleSocketIsReplaced() throws {
        leaveStaleSocket(folder.socket)
        let daemon = try TestDaemon(path: folder.socket)
        _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 2000)
        daemon.stop()
    }

    @Test func aLiveSocketIsLeftAlone() throws {
        let daemon = try TestDaemon(path: folder.socket)
        defer { daemon.stop() }
        for _ in 0..<23 {
            #expect(throws: ControlError.inUse(path: folder.socket)) {
                _ = try ControlServer(path: folder.socket)
            }
        }
        _ = try ControlClient.request(folder.socket, .status, timeoutMilliseconds: 2000)
    }

    @Test func aLiveSocketOfAnotherTypeIsLeftAlone() throws {
        let other = FileDescriptor(owning: socket(AF_UNIX, Int32(1 /* SOCK_STREAM */), 0))
        let number = other.number
        let place = try SocketPlace(folder.socket)
        #expect(place.withAddress { bind(number, $0, $1) } == 0)
        #expect(listen(number, 1) == 0)
        #expect(throws: ControlError.inUse(path: folder.socket)) {
            _ = try ControlServer(path: folder.socket)
        }
    }

    @Test func whatIsNoSocketIsLeftAlone() throws {
        _ = try FileDescriptor.open(folder.socket, O_WRONLY | O_CREAT, mode: 0o644)
        #expect(throws: ControlError.notASocket(path: folder.socket)) {
            _ = try ControlServer(path: folder.socket)
        }
        #expect(mode(folder.socket) == S_IFREG | 0o644)
        let link = folder.path + "/link.sock"
        #expect(symlink(folder.path + "/nowhere", link) == 0)
        #expect(throws: ControlError.notASocket(path: link)) { _ = try ControlServer(path: link) }
    }

    @Test func aMissingFolderIsSaid() {
        let path = folder.path + "/missing/retinued.sock"
        #expect(throws: ControlError.system(SystemError("bind", code: ENOENT), path: path)) {
            _ = try ControlServer(path: path)
        }
    }

    @Test func theNameGoesWithTheServer() throws {
        do {
            let server = try ControlServer(path: folder.socket)
            _ = server.number
        }
        #expect(mode(folder.socket) == nil)
    }

    @Test func aNameThatIsAnothersStays() throws {
        do {
            let first = try ControlServer(path: folder.socket)
            #expect(unlink(folder.socket) == 0)
            leaveStaleSocket(folder.socket)
            _ = first.number
        }
        #expect(mode(folder.socket) != nil)
    }

    @Test func ofManyThatStartAtOnceOneWins() throws {
        let path = folder.socket
        for _ in 0..<23 {
            leaveStaleSocket(path)
            let winners = Atomic<Int>(0)
            let others = Atomic<Int>(0)
            let gate = Atomic<Bool>(false)
            let (threads, held) = ((0..<7).map { _ in TestThread() }, Servers())
            withExtendedLifetime(held) {
                for thread in threads {
                    thread.start {
                        while !gate.load(ordering: .acquiring) { sched_yield() }
                        do throws(ControlError) {
                            held.keep(try ControlServer(path: path))
                            winners.add(1, ordering: .relaxed)
                        } catch {
                            if error == .inUse(path: path) { others.add(1, ordering: .relaxed) }
                        }
                    }
                }
                gate.store(true, ordering: .releasing)
                for thread in threads { thread.join() }
            }
            #expect(winners.load(ordering: .relaxed) == 1)
            #expect(others.load(ordering: .relaxed) == 6)
            held.drop()
            #expect(mode(path) == nil)
        }
    }

    private func mode(_ path: String) -> mode_t? {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode : nil
    }
}

/// Keeps servers alive until all have started.
private final class Servers: Sendable {
    private let kept = Mutex<[Box<ControlServer>]>([])

    func keep(_ server: consuming ControlServer) {
        let box = Box(server)
        kept.withLock { $0.append(box) }
    }

    func drop() { kept.withLock { $0 = [] } }
}
