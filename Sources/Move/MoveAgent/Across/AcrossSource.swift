import Glibc
import Procfs
import Records
import SystemCalls
import Text
import Transfer
import Transport

/// Has a tree of processes of this host go on at several (`retinue move across`), and passes pages on until the last of them has ended.
struct AcrossSource {
    let options: AcrossOptions
    private let identity: TLSIdentity

    private static let piece = 1 << 20
    /// Microseconds between two looks at who has ended.
    private static let pause: UInt32 = 100_000

    init(_ options: AcrossOptions) throws(MoveError) {
        self.options = options
        identity = try options.identity()
    }

    /// With the host at which each is to run.
    private func processes() -> [AcrossSurvey.Process] {
        ContextSubject.tree(options.pid).map { pid in
            let host = options.hosts.firstIndex { $0.pids.contains(pid) }.map { $0 + 1 } ?? 0
            return .init(pid: pid, own: NamespaceNumber.of(pid), host: host)
        }
    }

    private func survey() throws(MoveError) -> AcrossSurvey {
        let found = AcrossSurvey(processes())
        let missing = options.hosts.flatMap(\.pids).filter { pid in
            !found.processes.contains { $0.pid == pid }
        }
        guard missing.isEmpty else {
            throw MoveError("process \(missing[0]) is not of the tree of \(options.pid)")
        }
        guard found.processes.first?.host == 0 else {
            throw MoveError("process \(options.pid), which has started the others, stays here")
        }
        guard found.refused.isEmpty else {
            throw MoveError("it cannot go on at several hosts: " + found.refused.joined(separator: "; "))
        }
        guard !found.regions.isEmpty else {
            throw MoveError(
                "processes of different hosts share no memory that is written: use retinue move spread")
        }
        return found
    }

    private func order(_ survey: AcrossSurvey) -> AcrossOrder {
        let own = Dictionary(uniqueKeysWithValues: survey.processes.map { ($0.pid, $0.own) })
        let others = options.hosts.map { host in
            AcrossOrder.Host(
                name: host.name, address: host.address, port: host.port,
                pids: host.pids.compactMap { own[$0] })
        }
        let here = AcrossOrder.Host(
            name: identity.name, address: options.address, port: options.port,
            pids: survey.processes.filter { $0.host == 0 }.map(\.own))
        return AcrossOrder(
            name: options.name, hosts: [here] + others, regions: survey.regions, window: options.window)
    }

    func run() throws(MoveError) -> Int32 {
        // What is not asked is not begun.
        for remark in try survey().remarks { Diagnostics.say("remark: \(remark)") }
        if options.isCheck {
            for region in try survey().regions {
                print(
                    "\(region.name), \(region.bytes) bytes, \(region.mappings.count) mappings: passed on by pages"
                )
            }
            return 0
        }
        let listener = AcrossListener(try options.socket(), identity, accepted: []) { channel, _ in
            channel.close()
        }
        try listener.start()
        var links: [AgentLink] = []
        for host in options.hosts {
            links.append(try AgentLink(to: host.name, at: host.address, port: host.port, as: identity))
        }
        let folder = try ContextFolder(in: "/var/tmp", "retinue-across-")
        defer { folder.remove() }
        let file = folder.path + "/context"
        let standing = try AcrossGroup.make("\(options.name)-stands", beside: options.pid, isFrozen: true)
        let running = try AcrossGroup.make("\(options.name)-runs", beside: options.pid, isFrozen: false)
        var host: AcrossHost?
        do throws(MoveError) {
            let order = try stop(to: file, standing)
            guard standing.stands(seconds: 10) else { throw MoveError("the processes do not stand") }
            for (index, link) in links.enumerated() { try send(file, order, index + 1, link) }
            var pids: [Int32: Int32] = [:]
            for pid in standing.members { pids[NamespaceNumber.of(pid)] = pid }
            let made = try AcrossHost(order, index: 0, standing: standing, running: running, pids: pids)
            host = made
            listener.serve(made)
            for link in links { try link.ask("across-arm") }
            try made.service.connect(as: identity)
            try made.arm()
        } catch {
            // Nothing has run anywhere: all of it goes on here. The others end what they have when the connection does.
            host?.takeBack()
            for link in links { link.close() }
            standing.dissolve()
            running.dissolve()
            throw error
        }
        guard let host else { return 1 }
        for link in links {
            do throws(MoveError) { try link.ask("across-go") } catch { Diagnostics.say("\(error)") }
        }
        try host.go()
        Diagnostics.say("across \(options.name): \(host.order.hosts.map(\.name).joined(separator: ", "))")
        folder.remove()
        watch(host, links)
        return 0
    }

    /// Writes the tree down and has it stand.
    private func stop(to file: String, _ standing: AcrossGroup) throws(MoveError) -> AcrossOrder {
        var save = ContextSave(pid: options.pid, file: file)
        save.closesConnections = options.closesConnections
        save.isLossy = options.isLossy
        var order: AcrossOrder?
        save.whenPlaced = { _ throws(MoveError) in
            let found = try survey()
            order = self.order(found)
            for process in found.processes { try standing.add(process.pid) }
        }
        _ = try save.run { Diagnostics.say($0) }
        guard let order else { throw MoveError("the processes were not written down") }
        return order
    }

    private func send(_ file: String, _ order: AcrossOrder, _ index: Int, _ link: AgentLink) throws(MoveError)
    {
        do {
            let source = try FileDescriptor.open(file, O_RDONLY)
            var status = stat()
            fstat(source.number, &status)
            let request = JSONValue.object([
                .init("verb", .string("across-take")), .init("order", order.value),
                .init("host", .integer(Int128(index))), .init("bytes", .integer(Int128(status.st_size))),
            ])
            try link.channel.send(Frame(.request, AgentLink.bytes(request)))
            while true {
                let bytes = try source.readOnce(limit: Self.piece)
                if bytes.isEmpty { break }
                try link.channel.send(Frame(.blocks, bytes))
            }
        } catch { throw MoveError("\(order.hosts[index].name): \(error)") }
        _ = try link.next()
    }

    // MARK: While it goes on

    /// Until the last process has ended, at whatever host: tells each host what has ended elsewhere and which signals were sent here to
    /// processes of it.
    private func watch(_ host: AcrossHost, _ links: [AgentLink]) {
        var ended: [Int32: Int32] = [:]
        var isLost = Set<Int>()
        /// Signals that are to be sent at each host, the source the first.
        var signals: [[JSONValue]] = Array(repeating: [], count: links.count + 1)
        func pass(_ pid: Int32, _ signal: Int32) {
            guard let there = host.order.hosts.firstIndex(where: { $0.pids.contains(pid) }), ended[pid] == nil
            else { return }
            if there == 0 { return host.signal(pid, signal) }
            signals[there].append(.array([.integer(Int128(pid)), .integer(Int128(signal))]))
        }
        while true {
            usleep(Self.pause)
            host.service.sweep()
            host.writeFigures()
            for (pid, status) in host.ended() { ended[pid] = ended[pid] ?? status }
            for (pid, signal) in host.signals() { pass(pid, signal) }
            var left = host.count
            for (index, link) in links.enumerated() where !isLost.contains(index) {
                let over = ended.map {
                    JSONValue.array([.integer(Int128($0.key)), .integer(Int128($0.value))])
                }
                do throws(MoveError) {
                    let answer = try link.ask(
                        "across-status",
                        [.init("signals", .array(signals[index + 1])), .init("ended", .array(over))])
                    signals[index + 1] = []
                    left += answer["running"]?.integer.flatMap { Int(exactly: $0) } ?? 0
                    for pair in Self.pairs(answer["ended"]) where ended[pair.0] == nil {
                        ended[pair.0] = pair.1
                        host.replay(pair.0, pair.1)
                    }
                    for pair in Self.pairs(answer["signals"]) where (1...64).contains(pair.1) {
                        pass(pair.0, pair.1)
                    }
                } catch {
                    Diagnostics.say("\(error)")
                    isLost.insert(index)
                }
            }
            if left == 0 { break }
        }
        host.service.finish()
        for (index, link) in links.enumerated() where !isLost.contains(index) {
            do throws(MoveError) { try link.ask("across-end") } catch { Diagnostics.say("\(error)") }
        }
        host.end()
    }

    static func pairs(_ value: JSONValue?) -> [(Int32, Int32)] {
        (value?.array ?? []).compactMap { value in
            let numbers = (value.array ?? []).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            return numbers.count == 2 ? (numbers[0], numbers[1]) : nil
        }
    }
}
