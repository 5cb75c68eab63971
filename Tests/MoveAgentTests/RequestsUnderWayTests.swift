import CLinux
import Glibc
import Synchronization
import SystemCalls
import TestSupport
import Testing

@testable import MoveAgent

@Suite("Requests that are under way when clients are held")
struct RequestsUnderWayTests {
    /// A socket that listens on a free port of loopback, and one that has connected to it, which nobody has accepted.
    private final class Waiting {
        let listener: FileDescriptor
        let client: FileDescriptor
        let port: ServicePort

        init() throws {
            func end() throws -> FileDescriptor {
                let number = socket(AF_INET, clinux_SOCK_STREAM | clinux_SOCK_CLOEXEC, 0)
                try #require(number >= 0)
                return FileDescriptor(owning: number)
            }
            listener = try end()
            client = try end()
            var place = sockaddr_in()
            place.sin_family = sa_family_t(AF_INET)
            place.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let (listening, calling) = (listener.number, client.number)
            let done = withUnsafeMutablePointer(to: &place) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listening, $0, size) == 0 && listen(listening, 8) == 0
                        && getsockname(listening, $0, &size) == 0 && connect(calling, $0, size) == 0
                }
            }
            try #require(done)
            port = ServicePort(isTCP: true, number: UInt16(bigEndian: place.sin_port))
        }
    }

    /// What a thread does, some time later.
    private final class Later: Sendable {
        private let body: @Sendable () -> Void
        private let state = Atomic(false)

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }

        /// Whether it was begun when nothing was under way any more; a minute is waited at most.
        func hasBegun(before port: ServicePort) -> Bool {
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { pointer in
                    let later = Unmanaged<Later>.fromOpaque(pointer!).takeUnretainedValue()
                    // Longer than the calm that would end the wait.
                    usleep(30_000)
                    // Before it is: nothing but this ends the wait.
                    later.state.store(true, ordering: .sequentiallyConsistent)
                    later.body()
                    return nil
                }, Unmanaged.passUnretained(self).toOpaque())
            RequestsUnderWay.wait([port], in: getpid(), atMost: 60_000_000_000)
            let hadBegun = state.load(ordering: .sequentiallyConsistent)
            pthread_join(thread, nil)
            return hadBegun
        }
    }

    @Test func aConnectionIsAccepted() throws {
        let waiting = try Waiting()
        let number = waiting.listener.number
        let later = Later { close(accept(number, nil, nil)) }
        #expect(later.hasBegun(before: waiting.port))
    }

    @Test func aRequestIsRead() throws {
        let waiting = try Waiting()
        let other = FileDescriptor(owning: accept(waiting.listener.number, nil, nil))
        try #require(other.number >= 0)
        try #require(write(waiting.client.number, "ask", 3) == 3)
        let number = other.number
        let later = Later {
            var bytes: [UInt8] = [0, 0, 0]
            _ = read(number, &bytes, 3)
        }
        #expect(later.hasBegun(before: waiting.port))
        withExtendedLifetime(other) {}
    }

    /// Nobody is waited for where nothing is asked, nor for longer than the limit where nobody ever reads.
    @Test func itEnds() throws {
        let waiting = try Waiting()
        RequestsUnderWay.wait([waiting.port], in: getpid(), atMost: 1_000_000)
        RequestsUnderWay.wait([], in: getpid(), atMost: .max)
        RequestsUnderWay.wait([ServicePort(isTCP: true, number: 1)], in: getpid(), atMost: .max)
        // A process that is gone has no network to be asked in.
        RequestsUnderWay.wait([waiting.port], in: .max, atMost: .max)
    }
}
