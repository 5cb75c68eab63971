import Glibc
import PageFaults
import Records
import SharedPages
import SystemCalls
import Transfer
import Transport

/// This host's part in passing pages on, from the descriptors of faults to the connections of the other hosts.
///
/// One lock keeps the protocol's state and the memory. The thread that polls the descriptors takes it, and so does the thread of each
/// host that reads what that one says; but a reader does not wait for it: what it has read it leaves to whoever has the lock, and reads on. What
/// this host says to another goes over a connection of its own (so that a connection has one reader and one writer), written under the lock, so
/// that it is in order. A write may wait until the other host has read; since every host always reads, no two wait for one another.
final class PageService: @unchecked Sendable {
    private let lock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    /// What was read and not yet taken, in its order, under a lock that is held for a moment alone.
    private let inboxLock = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var inbox: [(from: UInt8, bytes: [UInt8])] = []
    private let host: UInt8
    private let order: AcrossOrder
    let processes = FaultedProcesses()
    private var nodes: [PageNode]
    private var channels: [UInt8: StreamChannel] = [:]
    /// Hosts that cannot be reached any longer.
    private var lost: Set<UInt8> = []
    private let poller: Poller
    private let timer: TimerDescriptor
    private let keeper: DescriptorHolder
    private var isPolled: Set<Int> = []

    private struct Waiting {
        var since: UInt64
        var isWrite: Bool
    }
    private var waiting: [UInt64: Waiting] = [:]
    private var due: [(at: UInt64, region: Int, page: UInt32)] = []
    private var reads = PageFigures()
    private var writes = PageFigures()
    private var sent: UInt64 = 0
    private var received: UInt64 = 0

    private static let timerToken = UInt64.max

    init(_ order: AcrossOrder, host: Int, keeper: DescriptorHolder) throws(MoveError) {
        pthread_mutex_init(lock, nil)
        pthread_mutex_init(inboxLock, nil)
        (self.order, self.host, self.keeper) = (order, UInt8(host), keeper)
        // Each process that is forked has one.
        DescriptorHolder.raiseLimit()
        nodes = order.regions.enumerated().map { index, region in
            PageNode(
                region: UInt16(index), pages: Int(region.bytes / UInt64(FaultedRegion.pageBytes)),
                host: UInt8(host), home: 0)
        }
        poller = try Self.made { () throws(SystemError) in try Poller() }
        timer = try Self.made { () throws(SystemError) in try TimerDescriptor() }
        try Self.made { () throws(SystemError) in try poller.add(timer.number, token: Self.timerToken) }
    }

    private static func made<Value: ~Copyable>(
        _ body: () throws(SystemError) -> Value
    ) throws(MoveError) -> Value {
        do throws(SystemError) { return try body() } catch { throw MoveError("\(error)") }
    }

    private func locked<Value, Failure: Error>(
        _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        pthread_mutex_lock(lock)
        // What was left meanwhile by those that read is taken by the last to look.
        defer {
            pthread_mutex_unlock(lock)
            takeLeft()
        }
        return try body()
    }

    /// Takes what was read, unless somebody has the lock: that one looks once more when it has let it go.
    private func takeLeft() {
        while isLeft, pthread_mutex_trylock(lock) == 0 {
            while let (other, bytes) = nextLeft() {
                do throws(TransferError) { try take(bytes, from: other) } catch { lose(other, "\(error)") }
            }
            pthread_mutex_unlock(lock)
        }
    }

    private var isLeft: Bool {
        pthread_mutex_lock(inboxLock)
        defer { pthread_mutex_unlock(inboxLock) }
        return !inbox.isEmpty
    }

    private func nextLeft() -> (from: UInt8, bytes: [UInt8])? {
        pthread_mutex_lock(inboxLock)
        defer { pthread_mutex_unlock(inboxLock) }
        return inbox.isEmpty ? nil : inbox.removeFirst()
    }

    private func leave(_ bytes: [UInt8], from other: UInt8) {
        pthread_mutex_lock(inboxLock)
        inbox.append((other, bytes))
        pthread_mutex_unlock(inboxLock)
        takeLeft()
    }

    // MARK: Beginning

    /// Connects to every other host: what this host says goes there.
    func connect(as identity: TLSIdentity) throws(MoveError) {
        for (index, other) in order.hosts.enumerated() where index != Int(host) {
            do throws(TLSError) {
                let socket = try Sockets.connect(
                    to: other.address, port: other.port, seconds: AgentLink.patience)
                let stream = try identity.protect(socket, isClient: true, expecting: other.name)
                let channel = StreamChannel(stream)
                let hello = JSONValue.object([
                    .init("verb", .string("across-pages")), .init("name", .string(order.name)),
                    .init("host", .integer(Int128(host))),
                ])
                do throws(TransferError) {
                    try channel.send(Frame(.request, AgentLink.bytes(hello)))
                    try channel.flush()
                } catch { throw TLSError("\(error)") }
                locked { channels[UInt8(index)] = channel }
            } catch { throw MoveError("\(other.name): \(error)") }
        }
    }

    /// Has the calling thread run before the programs: whoever waits for a page waits for it, and others may spin meanwhile.
    private static func hurry() {
        // Of a thread alone, on Linux.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, -15)
    }

    /// Hears another host, until the connection ends: a thread of its own does that.
    func hear(_ channel: StreamChannel, from other: UInt8) {
        Self.hurry()
        do throws(TransferError) {
            while true {
                let frame = try channel.receive()
                guard frame.kind == .sharedPage else { throw .malformed("\(frame.kind) in place of a page") }
                leave(frame.payload, from: other)
            }
        } catch {
            locked { lose(other, "\(error)") }
        }
    }

    private func lose(_ other: UInt8, _ reason: String) {
        guard lost.insert(other).inserted, !isOver else { return }
        channels[other] = nil
        Diagnostics.say(
            "across \(order.name): \(order.hosts[Int(other)].name) is lost (\(reason)): whoever needs a page of it waits"
        )
    }

    /// Polls faults, in a thread of its own.
    func start() throws(MoveError) {
        do throws(SystemError) {
            try locked { () throws(SystemError) in try pollNew() }
            try DetachedThread.start { [self] in
                Self.hurry()
                var tokens: [UInt64] = []
                while !isFinished {
                    tokens.removeAll(keepingCapacity: true)
                    do throws(SystemError) { try poller.wait { tokens.append($0) } } catch {
                        fail("\(error)")
                    }
                    locked { for token in tokens { turn(token) } }
                }
            }
        } catch { throw MoveError("\(error)") }
    }

    private func pollNew() throws(SystemError) {
        for process in processes.all where isPolled.insert(process).inserted {
            guard let number = processes.number(process) else { continue }
            try poller.add(number, token: UInt64(process))
        }
    }

    // MARK: What happens

    private func turn(_ token: UInt64) {
        if token == Self.timerToken {
            try? timer.acknowledge()
            return settle()
        }
        let faults: [FaultedProcesses.Fault]
        do throws(SystemError) {
            faults = try processes.takeFaults(Int(token))
            for child in processes.takeForked() {
                if let number = processes.number(child) { keeper.hold(number) }
            }
            try pollNew()
        } catch { fail("\(error)") }
        for fault in faults { answer(fault) }
    }

    private static func key(_ region: Int, _ page: UInt32) -> UInt64 { UInt64(region) << 32 | UInt64(page) }

    private func answer(_ fault: FaultedProcesses.Fault) {
        let key = Self.key(fault.region, fault.page)
        if waiting[key] == nil { waiting[key] = Waiting(since: Clock.monotonic(), isWrite: fault.isWrite) }
        change(fault.region, fault.page) {
            node, memory, out throws(PageNode.Refusal<SystemError>) in
            try node.fault(fault.page, isWrite: fault.isWrite, &memory, &out)
        }
    }

    private func take(_ bytes: [UInt8], from other: UInt8) throws(TransferError) {
        // Of one that has said what cannot be, nothing more is taken.
        guard !lost.contains(other) else { return }
        received += 1
        let message: PageMessage
        do throws(PageError) { message = try PageMessage(bytes) } catch { throw .malformed("\(error)") }
        guard Int(message.region) < nodes.count else { throw .malformed("a page of no region") }
        var refusal: PageError?
        change(Int(message.region), message.page) {
            node, memory, out throws(PageNode.Refusal<SystemError>) in
            do throws(PageNode.Refusal<SystemError>) {
                try node.receive(message, from: other, &memory, &out)
            } catch {
                guard case .message(let reason) = error else { throw error }
                refusal = reason
            }
        }
        if let refusal { throw .malformed("\(refusal)") }
    }

    /// Does one thing with a page, and sends what comes of it.
    private func change(
        _ region: Int, _ page: UInt32,
        _ body: (inout PageNode, inout FaultedRegion, inout [(to: UInt8, PageMessage)]) throws(PageNode
            .Refusal<SystemError>) -> Void
    ) {
        var out: [(to: UInt8, PageMessage)] = []
        var memory = processes.regions[region]
        do throws(PageNode.Refusal<SystemError>) { try body(&nodes[region], &memory, &out) } catch {
            fail("\(error)")
        }
        send(out)
        let key = Self.key(region, page)
        if !nodes[region].isWaiting(page), let begun = waiting.removeValue(forKey: key) {
            // What was there already was no request.
            if nodes[region].isUnsettled(page) {
                let now = Clock.monotonic()
                if begun.isWrite { writes.note(now - begun.since) } else { reads.note(now - begun.since) }
                if order.window == 0 { return settle(region, page) }
                due.append((now + order.window, region, page))
                if due.count == 1 { arm(order.window) }
            }
        }
        for fault in processes.takeFaultsReadMeanwhile() { answer(fault) }
    }

    private func arm(_ nanoseconds: UInt64) {
        do throws(SystemError) { try timer.arm(nanoseconds: max(1, nanoseconds)) } catch { fail("\(error)") }
    }

    private func settle() {
        var now = Clock.monotonic()
        while let first = due.first, first.at <= now {
            due.removeFirst()
            settle(first.region, first.page)
            now = Clock.monotonic()
        }
        if let first = due.first { arm(first.at - now) }
    }

    private func settle(_ region: Int, _ page: UInt32) {
        change(region, page) { node, memory, out throws(PageNode.Refusal<SystemError>) in
            try node.settle(page, &memory, &out)
        }
    }

    private func send(_ messages: [(to: UInt8, PageMessage)]) {
        for (to, message) in messages {
            guard let channel = channels[to] else { continue }
            do throws(TransferError) {
                try channel.send(Frame(.sharedPage, message.bytes))
                try channel.flush()
                sent += 1
            } catch { lose(to, "\(error)") }
        }
    }

    /// What cannot be gone on with: processes that were let go on would see other memory than they have written.
    private func fail(_ reason: String) -> Never {
        Diagnostics.say("across \(order.name): pages cannot be passed on: \(reason)")
        _exit(1)
    }

    // MARK: Ending

    private var isOver = false

    private var isFinished: Bool { locked { isOver } }

    /// Nothing is answered any longer, nor said of hosts that end.
    func finish() {
        locked {
            isOver = true
            for channel in channels.values { channel.close() }
            arm(1)
        }
    }

    /// Forgets processes that have ended.
    func sweep() {
        locked {
            for process in processes.all where !processes.lives(process) {
                // Its descriptor is open elsewhere too, so that closing it would not end the polling.
                if let number = processes.number(process) { try? poller.remove(number) }
                processes.remove(process)
                isPolled.remove(process)
            }
        }
    }

    var figures: JSONValue {
        locked {
            .object([
                .init("name", .string(order.name)), .init("host", .string(order.hosts[Int(host)].name)),
                .init("reads", reads.value), .init("writes", writes.value),
                .init("sent", .integer(Int128(sent))), .init("received", .integer(Int128(received))),
                .init("processes", .integer(Int128(processes.all.count))),
                .init("lost", .array(lost.sorted().map { .string(order.hosts[Int($0)].name) })),
            ])
        }
    }
}
