/// The directory of a region's pages, which one host keeps: who owns each page, who has a copy, and who waits for it.
///
/// A page changes hands once at a time: the next request of it waits until the one before has reported that the page is in place
/// (`installed`). So no host is ever asked for a page that is still on its way to it, in whatever order the messages of different
/// pairs of hosts arrive; within a pair they arrive in the order in which they were sent.
struct PageHome: Sendable {
    private struct Request: Sendable {
        var host: UInt8
        var isWrite: Bool
    }
    private struct Change: Sendable {
        var sequence: UInt64
        var request: Request
        /// Those that still have a copy which they were asked to give up.
        var waiting: UInt64 = 0
        var isGranted = false
    }

    let region: UInt16
    private var owners: [UInt8]
    /// Who may read each page, the owner included; a bit a host.
    private var copies: [UInt64]
    private var changes: [UInt32: Change] = [:]
    private var queues: [UInt32: [Request]] = [:]
    private var sequence: UInt64 = 0

    /// All pages belong to one host at first.
    init(region: UInt16, pages: Int, owner: UInt8) {
        self.region = region
        owners = Array(repeating: owner, count: pages)
        copies = Array(repeating: Self.bit(owner), count: pages)
    }

    private static func bit(_ host: UInt8) -> UInt64 { 1 << UInt64(host) }

    /// Takes a message that is for the home. What has to be said is appended, with whom it is for.
    mutating func receive(
        _ message: PageMessage, from host: UInt8, _ out: inout [(to: UInt8, PageMessage)]
    ) throws(PageError) {
        let page = message.page
        guard Int(page) < owners.count, host < 64 else { throw .unknown(region: region, page: page) }
        switch message.kind {
        case .readRequest, .writeRequest:
            let request = Request(host: host, isWrite: message.kind == .writeRequest)
            if changes[page] == nil {
                begin(request, page, &out)
            } else {
                // A host has one request of a page at a time, so that the queue is never longer than there are hosts.
                guard !(queues[page] ?? []).contains(where: { $0.host == host }),
                    changes[page]?.request.host != host
                else { throw .unexpected(message.kind, page: page) }
                queues[page, default: []].append(request)
            }
        case .acknowledged:
            guard var change = changes[page], change.sequence == message.sequence,
                change.waiting & Self.bit(host) != 0
            else { throw .unexpected(.acknowledged, page: page) }
            change.waiting &= ~Self.bit(host)
            copies[Int(page)] &= ~Self.bit(host)
            changes[page] = change
            if change.waiting == 0 { grant(page, &out) }
        case .installed:
            guard let change = changes[page], change.sequence == message.sequence, change.isGranted,
                change.request.host == host
            else { throw .unexpected(.installed, page: page) }
            if change.request.isWrite {
                owners[Int(page)] = host
                copies[Int(page)] = Self.bit(host)
            } else {
                copies[Int(page)] |= Self.bit(host)
            }
            changes[page] = nil
            guard var queue = queues[page] else { return }
            let next = queue.removeFirst()
            queues[page] = queue.isEmpty ? nil : queue
            begin(next, page, &out)
        default:
            throw .unexpected(message.kind, page: page)
        }
    }

    private mutating func begin(_ request: Request, _ page: UInt32, _ out: inout [(to: UInt8, PageMessage)]) {
        sequence += 1
        var change = Change(sequence: sequence, request: request)
        if request.isWrite {
            change.waiting = copies[Int(page)] & ~Self.bit(request.host) & ~Self.bit(owners[Int(page)])
        }
        changes[page] = change
        guard change.waiting != 0 else { return grant(page, &out) }
        for host in 0..<UInt8(64) where change.waiting & Self.bit(host) != 0 {
            out.append((host, PageMessage(.invalidate, region: region, page: page, sequence: sequence)))
        }
    }

    /// Nobody but the owner, and perhaps whoever asks, has a copy that is in the way.
    private mutating func grant(_ page: UInt32, _ out: inout [(to: UInt8, PageMessage)]) {
        guard var change = changes[page] else { return }
        change.isGranted = true
        changes[page] = change
        let request = change.request
        let owner = owners[Int(page)]
        let isCopyThere = copies[Int(page)] & Self.bit(request.host) != 0
        if owner == request.host || isCopyThere && !request.isWrite {
            out.append(
                (
                    request.host,
                    PageMessage(
                        request.isWrite ? .writable : .readable, region: region, page: page,
                        sequence: change.sequence)
                ))
        } else {
            out.append(
                (
                    owner,
                    PageMessage(
                        request.isWrite ? .yield : .share, region: region, page: page,
                        sequence: change.sequence, host: request.host,
                        isCopyThere: request.isWrite && isCopyThere)
                ))
        }
    }
}
