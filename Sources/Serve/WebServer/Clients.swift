/// What a server allows its clients.
public struct HTTPLimits: Sendable {
    /// Connections at once; for another one the one that has been silent for longest is let go.
    public var connections = 512
    /// In how many milliseconds the head of a request has to be there, from its first byte on, and TLS before it.
    public var headMilliseconds = 10_000
    /// For how many milliseconds a connection may be idle.
    public var idleMilliseconds = 15_000
    /// In how many milliseconds an answer has to be taken.
    public var writeMilliseconds = 60_000
    /// Requests that wait to be answered, in each lane; one more is refused with 503.
    public var queued = 64
    /// Bytes of answers that are held for clients; beyond, the slowest is let go.
    public var pendingBytes = 64 << 20

    /// Bytes of a request's target.
    public static let longestTarget = 8 << 10
    /// Bytes of all fields together.
    public static let longestFields = 16 << 10
    /// How many fields there may be.
    public static let mostFields = 64
    /// Bytes that come in without the end of a head among them.
    static let longestHead = 32 << 10

    /// As a server has them unless configured otherwise.
    public init() {}
}

/// All clients of a server, on its event loop.
final class Clients {
    let limits: HTTPLimits
    private var clients: [ObjectIdentifier: Client] = [:]
    /// Bytes of answers that the kernel has not taken yet.
    private var pending = 0

    init(_ limits: HTTPLimits) { self.limits = limits }

    func add(_ client: Client) {
        if clients.count >= limits.connections { _ = letGo { $0.phase != .answering } }
        clients[ObjectIdentifier(client)] = client
    }

    func remove(_ client: Client) {
        if clients.removeValue(forKey: ObjectIdentifier(client)) != nil { pending -= client.pending }
    }

    /// Counts bytes that a client has to take, or has taken.
    func count(_ bytes: Int, of client: Client) {
        guard clients[ObjectIdentifier(client)] != nil else { return }
        client.pending += bytes
        pending += bytes
        while pending > limits.pendingBytes, letGo({ $0.phase == .writing }) {}
    }

    /// Lets go whom nothing was heard of for longest.
    private func letGo(_ isMeant: (Client) -> Bool) -> Bool {
        guard let oldest = clients.values.filter(isMeant).min(by: { $0.since < $1.since }) else {
            return false
        }
        oldest.end()
        return true
    }
}
