import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOPosix
import NIOSSL
import Net
import Synchronization
import SystemCalls

/// Who works on a request: what takes long is not in the way of what does not.
public enum HTTPLane: Sendable { case quick, long }

/// What is answered below a path.
public struct WebRoute: Sendable {
    let path: String
    let lane: HTTPLane
    let answer: @Sendable (WebRequest) -> WebAnswer

    /// - Parameters:
    ///   - path: as the library's router has it: `/metrics`, or `/map/**` for everything below.
    ///   - answer: called on the lane's thread, one request at a time.
    public init(
        _ path: String, lane: HTTPLane = .quick, answer: @escaping @Sendable (WebRequest) -> WebAnswer
    ) {
        self.path = path
        self.lane = lane
        self.answer = answer
    }
}

/// The certificate chain and the private key of a server, PEM.
public struct ServerIdentity: Sendable {
    let configuration: TLSConfiguration

    /// Reads both.
    public init(certificate: [UInt8], key: [UInt8]) throws {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        // Here rather than at the first client: a key of another certificate is refused.
        _ = try NIOSSLContext(configuration: configuration)
        self.configuration = configuration
    }
}

/// A server of HTTP/1.1 that is only read from: Hummingbird on one event loop, with a bound for each client in bytes and time
/// and a thread for each lane.
public final class WebServer: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let name: SocketName?
    private let running = Mutex<Task<Void, Never>?>(nil)
    private let lanes: [HTTPLane: Lane]
    /// Where it listens; with the port that the kernel chose for 0.
    public let place: HTTPPlace

    /// Listens, and answers from then on.
    ///
    /// - Parameters:
    ///   - refusal: what a request is answered with that is not let in; asked before any route.
    ///   - ended: called if it ends without being stopped.
    public init(
        _ place: HTTPPlace, routes: [WebRoute], limits: HTTPLimits = HTTPLimits(),
        identity: ServerIdentity? = nil,
        refusal: @escaping @Sendable (WebRequest) -> WebAnswer? = { _ in nil },
        ended: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(HTTPListenError) {
        lanes = [.quick: Lane(limits.queued), .long: Lane(limits.queued)]
        let address: BindAddress
        switch place {
        case .unix(let path):
            name = try SocketName.take(path)
            address = .unixDomainSocket(path: path)
        case .internet(let host, let port):
            name = nil
            address = .hostname("\(host)", port: Int(port))
        }
        // The name of a socket gets its mode at once: its owner and its group may connect.
        let mask = umask(0o777)
        umask(mask | 0o117)
        defer { umask(mask) }
        let listens = group.any().makePromise(of: HTTPPlace.self)
        let application = Self.application(
            address, group, router: Self.router(routes, lanes, refusal), limits: limits, identity: identity
        ) { channel in
            var chosen = place
            if case .internet(let host, _) = place, let port = channel.localAddress?.port {
                chosen = .internet(host, port: UInt16(truncatingIfNeeded: port))
            }
            listens.succeed(chosen)
        }
        // On the loop itself: whatever else of the process waits on the threads that tasks share is none of its clients' business.
        let executor = LoopExecutor(group.any())
        let task = Task(executorPreference: executor) {
            defer { withExtendedLifetime(executor) {} }
            do {
                try await application.run()
                listens.fail(ChannelError.eof)
                if !Task.isCancelled { ended("it has ended") }
            } catch {
                listens.fail(error)
                ended("\(error)")
            }
        }
        running.withLock { $0 = task }
        do {
            self.place = try listens.futureResult.wait()
        } catch {
            throw HTTPListenError(description: "cannot listen at \(place): \(error)")
        }
        name?.listens()
    }

    /// Ends it: what is under way is cut off.
    public func stop() {
        name?.remove()
        guard let task = running.withLock({ $0 }) else { return }
        task.cancel()
        // The loop goes once nobody has anything to do on it.
        Task.detached { [group, lanes] in
            await task.value
            try? await group.shutdownGracefully()
            for lane in lanes.values { lane.stop() }
        }
    }

    private static func application(
        _ address: BindAddress, _ group: MultiThreadedEventLoopGroup, router: Router<WebContext>,
        limits: HTTPLimits, identity: ServerIdentity?,
        listens: @escaping @Sendable (any Channel) async -> Void
    ) -> some ApplicationProtocol {
        let clients = NIOLoopBoundBox.makeBoxSendingValue(Clients(limits), eventLoop: group.any())
        let server = HTTPServerBuilder { responder in
            let channel = BoundedChannel(clients, responder)
            guard let identity else { return channel }
            return try TLSChannel(channel, tlsConfiguration: identity.configuration)
        }
        return Application(
            router: router, server: server, configuration: .init(address: address), onServerRunning: listens,
            eventLoopGroupProvider: .shared(group),
            logger: Logger(label: "retinue-server") { _ in SwiftLogNoOpLogHandler() })
    }

    private static func router(
        _ routes: [WebRoute], _ lanes: [HTTPLane: Lane],
        _ refusal: @escaping @Sendable (WebRequest) -> WebAnswer?
    ) -> Router<WebContext> {
        let router = Router(context: WebContext.self)
        router.add(middleware: Gate(refusal: refusal))
        for route in routes {
            guard let lane = lanes[route.lane] else { continue }
            for method in [HTTPRequest.Method.get, .head] {
                router.on(RouterPath(route.path), method: method) { _, context in
                    guard let request = context.request else { throw HTTPError(.badRequest) }
                    return try await lane.run { route.answer(request) }
                        .response(hasBody: method == .get)
                }
            }
        }
        return router
    }
}

/// What goes with a request through the library's router.
struct WebContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    var request: WebRequest?

    init(source: ApplicationRequestContextSource) { coreContext = .init(source: source) }
}

/// Lets in who may, and answers where nothing is.
private struct Gate: RouterMiddleware {
    typealias Context = WebContext
    let refusal: @Sendable (WebRequest) -> WebAnswer?

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        let hasBody = request.method != .head
        let asked = WebRequest(
            target: request.head.path ?? "", host: request.head.authority,
            authorization: request.headers[.authorization])
        guard let asked else {
            return WebAnswer(400, text: "the request is malformed: the target").response(hasBody: hasBody)
        }
        if let refusal = refusal(asked) { return refusal.response(hasBody: hasBody) }
        var context = context
        context.request = asked
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            return WebAnswer(404, text: "nothing is here; /api/v1/openapi.json says what there is")
                .response(hasBody: hasBody)
        }
    }
}

/// A thread that answers, and a bound for what waits for it.
final class Lane: Sendable {
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private let waiting = Atomic(0)
    private let most: Int

    init(_ most: Int) {
        self.most = most
        pool.start()
    }

    func run(_ answer: @escaping @Sendable () -> WebAnswer) async throws -> WebAnswer {
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard waiting.add(1, ordering: .relaxed).newValue <= most else {
            return WebAnswer(
                503, text: "too many requests wait to be answered", fields: [("Retry-After", "1")])
        }
        return try await pool.runIfActive(answer)
    }

    func stop() { pool.shutdownGracefully { _ in } }
}

/// The library's connection with its bounds: below its reader of requests, and just above.
private struct BoundedChannel: HTTPChannelHandler {
    typealias Value = HTTP1Channel.Value

    private let base: HTTP1Channel
    private let clients: NIOLoopBoundBox<Clients>
    var responder: HTTPChannelHandler.Responder { base.responder }

    init(_ clients: NIOLoopBoundBox<Clients>, _ responder: @escaping HTTPChannelHandler.Responder) {
        self.clients = clients
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: HTTPLimits.longestFields, maxHeaderListSize: HTTPLimits.longestFields,
            maxHeaderFieldCount: HTTPLimits.mostFields)
        base = HTTP1Channel(responder: responder, configuration: .init(httpDecoderConfiguration: decoder))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(Client(clients.value))
        }.flatMap {
            base.setup(channel: channel, logger: logger)
        }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let client = try pipeline.handler(type: Client.self)
            let codec = try pipeline.handler(type: HTTP1ToHTTPServerCodec.self)
            try pipeline.addHandler(RequestGuard(client), position: .before(codec))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
