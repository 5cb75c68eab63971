import CLinux
import Glibc
import SystemCalls

/// What a server allows its clients.
public struct HTTPLimits: Sendable {
    /// Connections at once; for another one the one that has been silent for longest is let go.
    public var connections = 512
    /// In how many milliseconds the head of a request has to be there, from its first byte on.
    public var headMilliseconds = 10_000
    /// For how many milliseconds a connection may be idle.
    public var idleMilliseconds = 15_000
    /// In how many milliseconds an answer has to be taken.
    public var writeMilliseconds = 60_000
    /// Requests that wait to be answered, in each lane; one more is refused with 503.
    public var queued = 64
    /// Bytes of answers that are held for clients; beyond, the slowest is let go.
    public var pendingBytes = 64 << 20

    /// As a server has them unless told otherwise.
    public init() {}
}

/// Who works on a request: what takes long is not in the way of what does not.
public enum HTTPLane: Int, Sendable, CaseIterable {
    case quick, long
}

/// By what a server is ended from another thread.
public final class HTTPStop: Sendable {
    let event: EventDescriptor
    /// Makes one that has not stopped anything.
    public init() throws(SystemError) { event = try EventDescriptor() }
    /// Lets `run` return.
    public func stop() { event.raise() }
}

/// A server of HTTP/1.1 that is only read from: one thread, one epoll, every client bounded in bytes and time; answers are
/// made by a thread for each lane.
public final class HTTPServer {
    private struct Job: Sendable {
        var connection: UInt64
        var request: HTTPRequest
    }
    private struct Outcome: Sendable {
        var connection: UInt64
        var response: HTTPResponse
    }

    private let listener: HTTPListener
    private let limits: HTTPLimits
    private let lane: @Sendable (HTTPRequest) -> HTTPLane
    private let workers: [BackgroundWorker<Job, Outcome>]
    private let poller: Poller
    private var connections: [UInt64: HTTPConnection] = [:]
    private var nextToken = HTTPServer.firstConnection

    private static let stopToken: UInt64 = 0
    private static let listenerToken: UInt64 = 1
    private static let firstWorker: UInt64 = 2
    private static let firstConnection: UInt64 = 16

    /// - Parameters:
    ///   - lane: who answers a request.
    ///   - answer: called on the lane's thread.
    public init(
        _ listener: HTTPListener, limits: HTTPLimits = HTTPLimits(),
        lane: @escaping @Sendable (HTTPRequest) -> HTTPLane = { _ in .quick },
        answer: @escaping @Sendable (HTTPRequest) -> HTTPResponse
    ) throws(SystemError) {
        self.listener = listener
        self.limits = limits
        self.lane = lane
        poller = try Poller(capacity: 128)
        var workers: [BackgroundWorker<Job, Outcome>] = []
        for _ in HTTPLane.allCases {
            workers.append(
                try BackgroundWorker { job in
                    Outcome(connection: job.connection, response: answer(job.request))
                })
        }
        self.workers = workers
        try poller.add(listener.number, token: Self.listenerToken)
        for (index, worker) in workers.enumerated() {
            try poller.add(worker.number, token: Self.firstWorker + UInt64(index))
        }
    }

    /// Serves until it is stopped; what is under way then is cut off.
    public func run(until stop: HTTPStop) throws(SystemError) {
        try run(stop.event.number)
    }

    /// The same until a descriptor becomes readable.
    public func run(until stop: borrowing SignalDescriptor) throws(SystemError) {
        try run(stop.number)
    }

    private func run(_ stop: Int32) throws(SystemError) {
        try poller.add(stop, token: Self.stopToken)
        defer {
            try? poller.remove(stop)
            connections = [:]
        }
        while true {
            var ready: [UInt64] = []
            // A server without a client sleeps.
            try poller.wait(timeout: connections.isEmpty ? -1 : 250) { ready.append($0) }
            for token in ready {
                switch token {
                case Self.stopToken: return
                case Self.listenerToken: accept()
                case ..<Self.firstConnection: takeOutcomes(Int(token - Self.firstWorker))
                default: advance(token)
                }
            }
            expire()
        }
    }

    // MARK: Connections

    private func accept() {
        // A bound, so that a flood of connections cannot keep those that are there waiting.
        for _ in 0..<64 {
            let listener = listener.number
            let number: Int32
            do throws(SystemError) {
                guard
                    let found = try systemCallUnlessBlocked(
                        "accept4",
                        {
                            clinux_accept4(listener, clinux_SOCK_NONBLOCK | clinux_SOCK_CLOEXEC)
                        })
                else { return }
                number = found
            } catch {
                switch error.code {
                case EMFILE, ENFILE, ENOBUFS, ENOMEM:
                    // The listener stays readable: without room, nothing is gained by asking again at once.
                    if !evict() { usleep(10_000) }
                    return
                default: continue
                }
            }
            if connections.count >= limits.connections, !evict() {
                _ = close(number)
                continue
            }
            add(FileDescriptor(owning: number))
        }
    }

    private func add(_ socket: consuming FileDescriptor) {
        var on: Int32 = 1
        // No such option for a Unix socket.
        _ = setsockopt(
            socket.number, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let now = Clock.monotonic()
        let connection = HTTPConnection(
            socket, now: now, deadline: now + nanoseconds(limits.headMilliseconds))
        let token = nextToken
        nextToken += 1
        connections[token] = connection
        watch(token, connection, .readable)
    }

    private func watch(_ token: UInt64, _ connection: HTTPConnection, _ interest: Poller.Interest?) {
        guard connection.interest != interest else { return }
        if connection.interest != nil { try? poller.remove(connection.number) }
        connection.interest = interest
        guard let interest else { return }
        do {
            try poller.add(connection.number, interest, token: token)
        } catch {
            connections[token] = nil
        }
    }

    private func drop(_ token: UInt64) {
        guard let connection = connections.removeValue(forKey: token) else { return }
        if connection.interest != nil { try? poller.remove(connection.number) }
    }

    /// Lets go who has waited for longest with nothing but a part of a request, or with an answer that it does not take.
    private func evict() -> Bool {
        let silent = connections.filter { $0.value.state != .answering }
        guard let oldest = silent.min(by: { ($0.value.since, $0.key) < ($1.value.since, $1.key) }) else {
            return false
        }
        drop(oldest.key)
        return true
    }

    private func expire() {
        let now = Clock.monotonic()
        for (token, connection) in connections
        where connection.state != .answering && connection.deadline <= now {
            if connection.state == .reading, !connection.input.isEmpty {
                refuse(token, connection, HTTPResponse(408, text: "the request did not come in time"))
            } else {
                drop(token)
            }
        }
    }

    private func nanoseconds(_ milliseconds: Int) -> UInt64 { UInt64(milliseconds) * 1_000_000 }

    // MARK: Requests

    private func advance(_ token: UInt64) {
        guard let connection = connections[token] else { return }
        switch connection.state {
        case .reading:
            let wasEmpty = connection.input.isEmpty
            switch connection.receive() {
            case .closed: drop(token)
            case .nothing: break
            case .more:
                if wasEmpty, connection.served > 0 {
                    connection.since = Clock.monotonic()
                    connection.deadline = connection.since + nanoseconds(limits.headMilliseconds)
                }
                begin(token, connection)
            }
        case .writing: write(token, connection)
        case .lingering:
            if case .closed = connection.linger() { drop(token) }
        case .answering: break
        }
    }

    /// Looks whether a request is there, and has it answered.
    private func begin(_ token: UInt64, _ connection: HTTPConnection) {
        switch HTTPParser.parse(connection.input) {
        case .incomplete: break
        case .refused(let problem): refuse(token, connection, HTTPResponse(problem))
        case .request(let request, let length):
            connection.consume(length)
            connection.request = (request.method == "HEAD", request.keepsAlive)
            connection.state = .answering
            // What the client sends meanwhile stays in the kernel.
            watch(token, connection, nil)
            let worker = workers[lane(request).rawValue]
            guard worker.outstanding < limits.queued else {
                let busy = HTTPResponse(
                    503, text: "too many requests wait to be answered", fields: [("Retry-After", "1")])
                return respond(token, connection, busy)
            }
            worker.submit(Job(connection: token, request: request))
        }
    }

    /// Answers what is no request, after which nothing that follows can be understood.
    private func refuse(_ token: UInt64, _ connection: HTTPConnection, _ response: HTTPResponse) {
        connection.discardInput()
        connection.request = (false, false)
        respond(token, connection, response)
    }

    private func takeOutcomes(_ worker: Int) {
        for outcome in workers[worker].take() {
            // The client may have gone, or been let go.
            guard let connection = connections[outcome.connection] else { continue }
            respond(outcome.connection, connection, outcome.response)
        }
    }

    private func respond(_ token: UInt64, _ connection: HTTPConnection, _ response: HTTPResponse) {
        var time = time_t()
        Glibc.time(&time)
        let (isHead, keepsAlive) = connection.request
        connection.put(response.bytes(hasBody: !isHead, keepsAlive: keepsAlive, time: time))
        connection.state = .writing
        connection.since = Clock.monotonic()
        connection.deadline = connection.since + nanoseconds(limits.writeMilliseconds)
        write(token, connection)
        makeRoom()
    }

    private func write(_ token: UInt64, _ connection: HTTPConnection) {
        switch connection.send() {
        case .closed: drop(token)
        case .nothing: watch(token, connection, .writable)
        case .more:
            let now = Clock.monotonic()
            connection.since = now
            guard connection.request.keepsAlive else {
                connection.finish()
                connection.state = .lingering
                connection.deadline = now + nanoseconds(min(limits.headMilliseconds, 2000))
                return watch(token, connection, .readable)
            }
            connection.served += 1
            connection.state = .reading
            connection.deadline = now + nanoseconds(limits.idleMilliseconds)
            watch(token, connection, .readable)
            // Another request may have come together with the last.
            if !connection.input.isEmpty {
                connection.deadline = now + nanoseconds(limits.headMilliseconds)
                begin(token, connection)
            }
        }
    }

    /// Lets go the slowest takers of answers while more is held for all than may be.
    private func makeRoom() {
        while connections.values.reduce(0, { $0 + $1.pending }) > limits.pendingBytes {
            let writing = connections.filter { $0.value.state == .writing }
            guard let oldest = writing.min(by: { $0.value.since < $1.value.since }) else { return }
            drop(oldest.key)
        }
    }
}
