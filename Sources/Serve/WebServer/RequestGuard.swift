import NIOCore
import NIOHTTP1

/// Refuses what is read of a request that is none here, and ends the connection where the client asks for it.
final class RequestGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let client: Client
    /// Requests that were passed on and are not answered.
    private var outstanding = 0
    /// Whether the last of them ends the connection, or what followed was refused.
    private var isOver = false
    /// Whether the request that is being read is passed on.
    private var isPassed = false

    init(_ client: Client) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            isPassed = false
            guard !isOver else { return }
            client.headEnded()
            if let problem = Self.problem(head) { return refuse(problem) }
            isPassed = true
            outstanding += 1
            isOver = !head.isKeepAlive
            client.isAnswered()
            context.fireChannelRead(data)
        case .body: break
        case .end: if isPassed { context.fireChannelRead(data) }
        }
    }

    private func refuse(_ problem: WebAnswer) {
        isOver = true
        client.refuse(problem)
    }

    /// Strictly: what two readers could take for different things is refused.
    private static func problem(_ head: HTTPRequestHead) -> WebAnswer? {
        guard head.uri.utf8.count <= HTTPLimits.longestTarget else {
            return WebAnswer(414, text: "the target is longer than \(HTTPLimits.longestTarget) bytes")
        }
        guard head.method == .GET || head.method == .HEAD else {
            return WebAnswer(
                405, text: "everything here is only read: GET and HEAD", fields: [("Allow", "GET, HEAD")])
        }
        guard head.headers["transfer-encoding"].isEmpty,
            head.headers["content-length"].allSatisfy({ $0.utf8.allSatisfy { $0 == UInt8(ascii: "0") } })
        else { return WebAnswer(413, text: "a request has no body here") }
        let hosts = head.headers["host"].count
        guard hosts == 1 || (hosts == 0 && head.version == .http1_0) else {
            return WebAnswer(400, text: "the request is malformed: one Host is needed")
        }
        guard WebRequest(target: head.uri) != nil else {
            return WebAnswer(400, text: "the request is malformed: the target")
        }
        return nil
    }

    /// What the library cannot read.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? HTTPParserError else { return context.fireErrorCaught(error) }
        switch error {
        case .headerOverflow:
            isOver = true
            client.refuseHead()
        case .invalidVersion: refuse(WebAnswer(505, text: "HTTP/1.1 and HTTP/1.0 are understood"))
        default: refuse(WebAnswer(400, text: "the request is malformed"))
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(var head):
            let isLast = isOver && outstanding == 1
            head.headers.replaceOrAdd(name: "Connection", value: isLast ? "close" : "keep-alive")
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body: context.write(data, promise: promise)
        case .end:
            outstanding -= 1
            let (isLast, hasMore) = (isOver && outstanding == 0, outstanding > 0)
            let promise = promise ?? context.eventLoop.makePromise()
            promise.futureResult.assumeIsolated().whenSuccess { [client] _ in
                client.answered(isLast: isLast && !client.isRefused, hasMore: hasMore)
            }
            context.write(data, promise: promise)
        }
    }
}
