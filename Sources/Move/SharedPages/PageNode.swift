/// The pages of a region as they lie at one host: what the protocol has done with them.
public protocol PageMemory {
    /// What it throws.
    associatedtype Failure: Error
    /// Lets nobody write a page any longer, and says what is in it.
    mutating func share(_ page: UInt32) throws(Failure) -> [UInt8]
    /// Takes a page away from everybody, and says what was in it when the last one could write.
    mutating func yield(_ page: UInt32) throws(Failure) -> [UInt8]
    /// Takes a copy away, which nobody could write.
    mutating func drop(_ page: UInt32) throws(Failure)
    /// Puts a page in its place and lets those go on that wait for it.
    mutating func install(_ page: UInt32, _ contents: [UInt8], isWritable: Bool) throws(Failure)
    /// Lets a page be written that could be read, and those go on that wait for it.
    mutating func permit(_ page: UInt32) throws(Failure)
    /// Lets those go on that wait for a page which they may already use so.
    mutating func retry(_ page: UInt32, isWritable: Bool) throws(Failure)
}

/// One host's part in the protocol of one region: its pages' states, and the directory where it is the region's home.
///
/// The protocol is write-invalidate with a fixed home: at any moment a page has one host that may write it, or any number that may read
/// it. It does no I/O: what came in is handed to it, what has to be sent it appends to a list.
public struct PageNode: Sendable {
    /// What this host may do with a page.
    public enum State: UInt8, Sendable { case invalid, readable, writable }

    /// Why a message or a fault could not be answered.
    public enum Refusal<Failure: Error>: Error {
        /// The other host has said what cannot be.
        case message(PageError)
        /// The memory could not be changed.
        case memory(Failure)
    }

    /// The region's number.
    public let region: UInt16
    /// This host's number.
    public let host: UInt8
    /// The host that keeps the directory.
    public let home: UInt8
    /// Faults that had to be asked for.
    public private(set) var requests: UInt64 = 0
    private var states: [State]
    private var pending: [UInt32: PageMessage.Kind] = [:]
    /// Pages that have come and that the home does not know to be in place yet, by the number of their change.
    private var unsettled: [UInt32: UInt64] = [:]
    private var directory: PageHome?

    /// All pages are the home's at first, and invalid everywhere else.
    public init(region: UInt16, pages: Int, host: UInt8, home: UInt8) {
        (self.region, self.host, self.home) = (region, host, home)
        states = Array(repeating: host == home ? .writable : .invalid, count: pages)
        directory = host == home ? PageHome(region: region, pages: pages, owner: home) : nil
    }

    /// How many pages there are.
    public var pages: Int { states.count }

    /// What this host may do with a page.
    public func state(_ page: UInt32) -> State { states[Int(page)] }

    /// Whether it has asked for a page that has not come yet.
    public func isWaiting(_ page: UInt32) -> Bool { pending[page] != nil }

    /// A process of this host has touched a page, and waits.
    ///
    /// - Parameter out: what is to be sent.
    public mutating func fault<Memory: PageMemory>(
        _ page: UInt32, isWrite: Bool, _ memory: inout Memory, _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Refusal<Memory.Failure>) {
        guard Int(page) < states.count else { throw .message(.unknown(region: region, page: page)) }
        let state = states[Int(page)]
        if state == .writable || state == .readable && !isWrite {
            do throws(Memory.Failure) { try memory.retry(page, isWritable: state == .writable) } catch {
                throw .memory(error)
            }
            return
        }
        // Whoever faults while a page is on its way is woken with the others, and faults again where it needs more.
        guard pending[page] == nil else { return }
        try settle(page, &memory, &out)
        let kind = isWrite ? PageMessage.Kind.writeRequest : .readRequest
        pending[page] = kind
        requests += 1
        try deliver([(home, PageMessage(kind, region: region, page: page))], &memory, &out)
    }

    /// Lets a page that has come be taken away again.
    ///
    /// Until then no other host gets it: whoever was woken needs a moment to use it, and where many hosts want one page a host that
    /// gives it up at once would never get to use it. Nothing is done where the page is settled.
    public mutating func settle<Memory: PageMemory>(
        _ page: UInt32, _ memory: inout Memory, _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Refusal<Memory.Failure>) {
        guard let sequence = unsettled.removeValue(forKey: page) else { return }
        try deliver(
            [(home, PageMessage(.installed, region: region, page: page, sequence: sequence))], &memory, &out)
    }

    /// Whether a page has come and was not settled.
    public func isUnsettled(_ page: UInt32) -> Bool { unsettled[page] != nil }

    /// Another host has said something.
    public mutating func receive<Memory: PageMemory>(
        _ message: PageMessage, from host: UInt8, _ memory: inout Memory,
        _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Refusal<Memory.Failure>) {
        var more: [(to: UInt8, PageMessage)] = []
        try take(message, from: host, &memory, &more)
        try deliver(more, &memory, &out)
    }

    /// What this host says to itself is heard at once, in the order in which it is said.
    private mutating func deliver<Memory: PageMemory>(
        _ messages: [(to: UInt8, PageMessage)], _ memory: inout Memory,
        _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Refusal<Memory.Failure>) {
        var waiting = messages[...]
        while let (to, message) = waiting.popFirst() {
            guard to == host else {
                out.append((to, message))
                continue
            }
            var more: [(to: UInt8, PageMessage)] = []
            try take(message, from: host, &memory, &more)
            waiting += more
        }
    }

    private mutating func take<Memory: PageMemory>(
        _ message: PageMessage, from sender: UInt8, _ memory: inout Memory,
        _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Refusal<Memory.Failure>) {
        let page = message.page
        guard message.region == region, Int(page) < states.count else {
            throw .message(.unknown(region: message.region, page: page))
        }
        switch message.kind {
        case .readRequest, .writeRequest, .acknowledged, .installed:
            guard directory != nil else { throw .message(.unexpected(message.kind, page: page)) }
            do throws(PageError) { try directory!.receive(message, from: sender, &out) } catch {
                throw .message(error)
            }
        case .share, .yield, .invalidate:
            // Only the home may take a page from a host.
            guard sender == home else { throw .message(.unexpected(message.kind, page: page)) }
            do throws(PageError) {
                try needState(message)
            } catch { throw .message(error) }
            do throws(Memory.Failure) { try giveUp(message, &memory, &out) } catch { throw .memory(error) }
        case .readable, .writable:
            do throws(PageError) { try needWanted(message) } catch { throw .message(error) }
            do throws(Memory.Failure) { try accept(message, &memory) } catch { throw .memory(error) }
            states[Int(page)] = message.kind == .writable ? .writable : .readable
            pending[page] = nil
            unsettled[page] = message.sequence
        }
    }

    /// Whether the page is here in a state in which the home can ask for it.
    private func needState(_ message: PageMessage) throws(PageError) {
        let state = states[Int(message.page)]
        let isRight = message.kind == .invalidate ? state == .readable : state != .invalid
        guard isRight, message.host < 64, message.kind == .invalidate || message.host != host else {
            throw .unexpected(message.kind, page: message.page)
        }
    }

    private func needWanted(_ message: PageMessage) throws(PageError) {
        let page = message.page
        let isWanted = pending[page] == (message.kind == .writable ? .writeRequest : .readRequest)
        let isFitting = (message.contents == nil) == (states[Int(page)] != .invalid)
        guard isWanted, isFitting else { throw .unexpected(message.kind, page: page) }
    }

    private mutating func giveUp<Memory: PageMemory>(
        _ message: PageMessage, _ memory: inout Memory, _ out: inout [(to: UInt8, PageMessage)]
    ) throws(Memory.Failure) {
        let page = message.page
        var answer = PageMessage(.acknowledged, region: region, page: page, sequence: message.sequence)
        switch message.kind {
        case .share:
            (answer.kind, answer.contents) = (.readable, try memory.share(page))
            states[Int(page)] = .readable
        case .yield:
            let contents = try memory.yield(page)
            (answer.kind, answer.contents) = (.writable, message.isCopyThere ? nil : contents)
            states[Int(page)] = .invalid
        default:
            try memory.drop(page)
            states[Int(page)] = .invalid
        }
        out.append((message.kind == .invalidate ? home : message.host, answer))
    }

    private mutating func accept<Memory: PageMemory>(
        _ message: PageMessage, _ memory: inout Memory
    ) throws(Memory.Failure) {
        let isWritable = message.kind == .writable
        if let contents = message.contents {
            try memory.install(message.page, contents, isWritable: isWritable)
        } else if isWritable {
            try memory.permit(message.page)
        } else {
            try memory.retry(message.page, isWritable: false)
        }
    }
}
