import NIOCore

/// Bounds one client in bytes and time, below the library's reader of requests.
///
/// What is refused here is answered here, and the connection ends with it.
final class Client: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    enum Phase {
        /// The head of a request is on its way, or will be.
        case reading
        /// Somebody works on the answer.
        case answering
        /// The answer is on its way.
        case writing
        /// All is sent, and no more of this side will be; what the client still sends is thrown away for a moment, since a
        /// close with unread bytes would take the answer from it (RFC 9112, section 9.6).
        case lingering
    }

    private let clients: Clients
    private(set) var phase = Phase.reading
    /// When it began to wait for what it waits for.
    private(set) var since = NIODeadline.now()
    /// Bytes of answers that it has not taken.
    var pending = 0
    /// Bytes since the last head of a request ended.
    private var unparsed = 0
    /// Whether a line ended among them.
    private var hasLine = false
    private var lingered = 0
    /// What is said once the answers before it are.
    private var refusal: WebAnswer?
    /// Whether a request was refused, and that is still to be said.
    var isRefused: Bool { refusal != nil }
    private var task: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(_ clients: Clients) { self.clients = clients }

    private var limits: HTTPLimits { clients.limits }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        clients.add(self)
        wait(limits.headMilliseconds)
    }

    func handlerRemoved(context: ChannelHandlerContext) { forget() }

    func channelInactive(context: ChannelHandlerContext) {
        forget()
        context.fireChannelInactive()
    }

    private func forget() {
        clients.remove(self)
        task?.cancel()
        context = nil
    }

    /// Lets it go at once.
    func end() {
        let context = context
        forget()
        context?.close(promise: nil)
    }

    // MARK: Time

    private func wait(_ milliseconds: Int?) {
        task?.cancel()
        task = nil
        since = .now()
        guard let milliseconds, let context else { return }
        task = context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(Int64(milliseconds))) {
            if self.phase == .reading, self.unparsed > 0 {
                self.refuse(WebAnswer(408, text: "the request did not come in time"))
            } else {
                self.end()
            }
        }
    }

    // MARK: What comes in

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        let count = bytes.readableBytes
        if phase == .lingering || refusal != nil {
            lingered += count
            if lingered > 1 << 20 { end() }
            return
        }
        // A byte now and then does not put the time off.
        if phase == .reading, unparsed == 0 { wait(limits.headMilliseconds) }
        unparsed += count
        hasLine = hasLine || bytes.readableBytesView.contains(0x0a)
        context.fireChannelRead(data)
        guard unparsed > HTTPLimits.longestHead else { return }
        refuseHead()
    }

    /// Answers a head that is longer than one may be.
    func refuseHead() {
        refuse(
            hasLine
                ? WebAnswer(
                    431,
                    text: "the fields are longer than \(HTTPLimits.longestFields) bytes, or more than "
                        + "\(HTTPLimits.mostFields)")
                : WebAnswer(414, text: "the target is longer than \(HTTPLimits.longestTarget) bytes"))
    }

    /// The head of a request was read, and is passed on unless it is refused.
    func headEnded() {
        unparsed = 0
        hasLine = false
    }

    /// Somebody works on its request.
    func isAnswered() {
        guard phase == .reading else { return }
        phase = .answering
        wait(nil)
    }

    /// Answers what is no request, after which nothing that follows can be understood.
    func refuse(_ answer: WebAnswer) {
        guard refusal == nil, phase != .lingering, let context else { return }
        refusal = answer
        guard phase == .reading else { return }
        context.write(wrapOutboundOut(.byteBuffer(answer.lastBytes)), promise: nil)
        context.flush()
        finish()
    }

    // MARK: What goes out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let count = unwrapOutboundIn(data).readableBytes
        if phase == .lingering {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        if phase != .writing {
            phase = .writing
            wait(limits.writeMilliseconds)
        }
        let promise = promise ?? context.eventLoop.makePromise()
        context.write(data, promise: promise)
        clients.count(count, of: self)
        promise.futureResult.assumeIsolated().whenComplete { _ in self.clients.count(-count, of: self) }
    }

    /// An answer was taken by the kernel.
    ///
    /// - Parameters:
    ///   - isLast: whether the connection ends with it.
    ///   - hasMore: whether another of its requests is being answered.
    func answered(isLast: Bool, hasMore: Bool) {
        guard phase != .lingering else { return }
        if isLast { return finish() }
        phase = hasMore ? .answering : .reading
        if let refusal, !hasMore {
            self.refusal = nil
            return refuse(refusal)
        }
        wait(hasMore ? nil : unparsed > 0 ? limits.headMilliseconds : limits.idleMilliseconds)
    }

    /// Says that nothing more will be sent.
    private func finish() {
        phase = .lingering
        wait(min(limits.headMilliseconds, 2000))
        context?.close(mode: .output, promise: nil)
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .output else { return context.close(mode: mode, promise: promise) }
        if phase == .lingering {
            promise?.succeed()
        } else {
            finish()
            promise?.succeed()
        }
    }
}
