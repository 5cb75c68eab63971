import EventTrace
import Observation
import Records

extension PayloadWriter {
    mutating func put(_ facts: ProcessFacts) {
        put(facts.pid)
        put(facts.parent)
        put(facts.start)
        put(facts.executable)
        put(optional: facts.script)
        put(optional: facts.workload)
    }

    mutating func put(_ answer: DirectoryAnswer?) {
        put(optional: answer?.path)
        guard let answer else { return }
        put(UInt32(answer.ancestors.count))
        for identity in answer.ancestors { put(identity) }
    }

    mutating func put(_ head: ExecutableHead) {
        switch head {
        case .dynamic(let loader):
            put(UInt8(1))
            put(loader)
        case .plain: put(UInt8(2))
        case .script(let interpreter):
            put(UInt8(3))
            put(interpreter)
        case .other: put(UInt8(4))
        case .unknown: put(UInt8(0))
        }
    }

    mutating func put(_ process: ProcessSnapshot) {
        put(process.facts)
        put(UInt32(process.files.count))
        for file in process.files {
            put(file.path)
            put(file.access.rawValue)
            put(file.kind.rawValue)
        }
        put(process.facts.network)
        put(process.time)
        put(process.facts.reading.rawValue)
        put(process.facts.name)
        put(process.hasWorkload)
    }

    mutating func put(_ request: ScanRequest) {
        put(request.depth == .full)
        put(request.purpose == .start)
        put(request.limit)
        put(request.number)
    }

    mutating func put(_ loss: Loss, ended: UInt64) {
        put(loss.source)
        put(loss.cause)
        put(loss.count != nil)
        put(loss.count ?? 0)
        put(loss.since)
        put(ended)
    }

    mutating func put(_ source: DumpHeader.Source) {
        put(source.name)
        put(source.mode)
        put(source.received)
        put(UInt32(source.counters.count))
        for counter in source.counters {
            put(counter.name)
            put(counter.value)
        }
    }

    mutating func put(_ spot: BlindSpot) {
        put(spot.source)
        put(spot.cause)
        put(spot.since)
        put(spot.isScannedAfter)
    }

    mutating func put<Element>(
        list: [Element], _ put: (inout PayloadWriter, Element) -> Void
    ) {
        self.put(UInt32(list.count))
        for element in list { put(&self, element) }
    }

    mutating func put(_ addresses: [NetworkAddress]) {
        put(UInt32(addresses.count))
        for address in addresses {
            put(address.high)
            put(address.low)
        }
    }

    mutating func put(_ scope: Scope, _ words: DumpHeader.Scope) {
        put(scope.network ?? 0)
        put(optional: words.netns.map { Array($0.utf8) })
        put(optional: scope.workload)
    }

    mutating func put(_ endpoint: Endpoint) {
        put(endpoint.address.high)
        put(endpoint.address.low)
        put(endpoint.port)
    }

    mutating func put(_ socket: SocketSnapshot) {
        put(socket.transport.rawValue)
        put(socket.isListening)
        put(socket.local)
        put(socket.remote)
        put(socket.holders)
        put(socket.sent)
        put(socket.received)
        put(socket.endReceived)
        put(socket.network)
    }

    mutating func put(_ channel: ChannelSnapshot) {
        put(channel.mechanism.rawValue)
        put(channel.name)
        put(channel.holders)
        put(channel.peers)
        put(channel.number)
    }

    mutating func put(_ listener: UnixListener) {
        put(listener.inode)
        put(listener.isDatagram)
        put(listener.bound)
        put(listener.name)
        put(listener.holders)
        put(listener.changed)
    }

    mutating func put(_ flow: TranslatedConnection) {
        put(flow.transport.rawValue)
        put(flow.client)
        put(flow.asked)
        put(flow.server)
        put(flow.seen)
        put(flow.network)
    }

    mutating func put(_ connect: LocalConnect) {
        put(connect.time)
        put(connect.pid)
        put(connect.call.rawValue)
        put(connect.socket)
        put(optional: connect.name)
    }

    mutating func put(_ event: DatagramEvent) {
        put(event.time)
        put(event.pid)
        put(event.local)
        put(event.remote)
    }

    mutating func put(_ pids: [Int32]) {
        put(UInt32(pids.count))
        for pid in pids { put(pid) }
    }
}

extension PayloadReader {
    mutating func processFacts() throws(TraceError) -> ProcessFacts {
        ProcessFacts(
            pid: try integer(), parent: try integer(), start: try integer(), executable: try string(),
            script: try optionalString(), workload: try optionalString())
    }

    mutating func directoryAnswer() throws(TraceError) -> DirectoryAnswer? {
        guard let path = try optionalString() else { return nil }
        var answer = DirectoryAnswer(path: path)
        for _ in 0..<(try integer(UInt32.self)) { answer.ancestors.append(try string()) }
        return answer
    }

    mutating func head() throws(TraceError) -> ExecutableHead {
        switch try integer(UInt8.self) {
        case 1: .dynamic(loader: try string())
        case 2: .plain
        case 3: .script(interpreter: try string())
        case 4: .other
        default: .unknown
        }
    }

    mutating func image() throws(TraceError) -> ImageFacts {
        var facts = ImageFacts(
            pid: try integer(), time: try integer(), executable: try string(), script: try optionalString(),
            workload: try optionalString(), network: try networkAtEnd())
        facts.reading = try readingAtEnd()
        facts.name = try nameAtEnd()
        if !isAtEnd { facts.argument = try integer() }
        // Earlier recordings have none that nobody read.
        guard !isAtEnd else { return facts }
        facts.isReported = try bool()
        facts.group = try integer()
        facts.hasWorkload = try bool()
        if !isAtEnd { facts.isResolved = try bool() }
        if !isAtEnd { facts.path = try string() }
        return facts
    }

    /// The namespace that ends a frame with facts of a process or a socket; earlier recordings have none.
    mutating func networkAtEnd() throws(TraceError) -> UInt64 { isAtEnd ? 0 : try integer() }

    /// How far a script was read, which ends such a frame; earlier recordings do not say.
    mutating func readingAtEnd() throws(TraceError) -> ScriptReading {
        isAtEnd ? .known : ScriptReading(rawValue: try integer()) ?? .known
    }

    /// What a process is called, which ends such a frame; earlier recordings do not say.
    mutating func nameAtEnd() throws(TraceError) -> [UInt8] { isAtEnd ? [] : try string() }

    mutating func addresses() throws(TraceError) -> [NetworkAddress] {
        var result: [NetworkAddress] = []
        for _ in 0..<(try integer(UInt32.self)) {
            result.append(NetworkAddress(high: try integer(), low: try integer()))
        }
        return result
    }

    mutating func scope() throws(TraceError) -> (Scope, DumpHeader.Scope) {
        let network: UInt64 = try integer()
        let netns = try optionalString()
        let workload = try optionalString()
        return (
            Scope(network: network == 0 ? nil : network, workload: workload),
            DumpHeader.Scope(
                netns: netns.map { String(decoding: $0, as: UTF8.self) },
                cgroup: workload.map { String(decoding: $0, as: UTF8.self) })
        )
    }

    mutating func processSnapshot() throws(TraceError) -> ProcessSnapshot {
        var facts = try processFacts()
        var files: [HeldFile] = []
        for _ in 0..<(try integer(UInt32.self)) {
            let path = try string()
            let access = Access(rawValue: try integer())
            let kind = FileKind(rawValue: try integer()) ?? .regular
            files.append(HeldFile(path: path, access: access, kind: kind))
        }
        facts.network = try networkAtEnd()
        // Earlier recordings have no time.
        let time: UInt64 = isAtEnd ? 0 : try integer()
        facts.reading = try readingAtEnd()
        facts.name = try nameAtEnd()
        let hasWorkload = isAtEnd ? false : try bool()
        return ProcessSnapshot(facts: facts, files: files, time: time, hasWorkload: hasWorkload)
    }

    mutating func scanRequest() throws(TraceError) -> ScanRequest {
        ScanRequest(
            try bool() ? .full : .open, try bool() ? .start : .look, limit: try integer(),
            number: try integer())
    }

    /// A loss, and when the drain that reported it had ended.
    mutating func loss() throws(TraceError) -> (Loss, ended: UInt64) {
        let (source, cause) = (try text(), try text())
        let isCounted = try bool()
        let count: UInt64 = try integer()
        let since: UInt64 = try integer()
        return (
            Loss(source: source, cause: cause, count: isCounted ? count : nil, since: since),
            ended: try integer()
        )
    }

    mutating func source() throws(TraceError) -> DumpHeader.Source {
        var source = DumpHeader.Source(name: try text(), mode: try text(), received: try integer())
        for _ in 0..<(try integer(UInt32.self)) { source.counters.append((try text(), try integer())) }
        return source
    }

    mutating func blindSpot() throws(TraceError) -> BlindSpot {
        BlindSpot(
            source: try text(), cause: try text(), since: try integer(), isScannedAfter: try bool())
    }

    mutating func list<Element>(
        _ read: (inout PayloadReader) throws(TraceError) -> Element
    ) throws(TraceError) -> [Element] {
        var elements: [Element] = []
        for _ in 0..<(try integer(UInt32.self)) { elements.append(try read(&self)) }
        return elements
    }

    mutating func endpoint() throws(TraceError) -> Endpoint {
        Endpoint(NetworkAddress(high: try integer(), low: try integer()), port: try integer())
    }

    mutating func socketSnapshot() throws(TraceError) -> SocketSnapshot {
        SocketSnapshot(
            Transport(rawValue: try integer()) ?? .tcp, isListening: try bool(), local: try endpoint(),
            remote: try endpoint(), holders: try pids(), sent: try integer(), received: try integer(),
            endReceived: try bool(), network: try networkAtEnd())
    }

    mutating func channelSnapshot() throws(TraceError) -> ChannelSnapshot {
        ChannelSnapshot(
            Mechanism(rawValue: try integer()) ?? .pipe, name: try string(), holders: try pids(),
            peers: try pids(), number: isAtEnd ? 0 : try integer())
    }

    mutating func unixListener() throws(TraceError) -> UnixListener {
        UnixListener(
            inode: try integer(), isDatagram: try bool(), bound: try string(), name: try string(),
            holders: try pids(), changed: try integer())
    }

    mutating func translation() throws(TraceError) -> TranslatedConnection {
        var flow = TranslatedConnection(
            Transport(rawValue: try integer()) ?? .tcp, client: try endpoint(), asked: try endpoint(),
            server: try endpoint(), seen: try endpoint())
        // Earlier recordings have none.
        if !isAtEnd { flow.network = try integer() }
        return flow
    }

    mutating func localConnect() throws(TraceError) -> LocalConnect {
        LocalConnect(
            time: try integer(), pid: try integer(),
            call: LocalConnect.Call(rawValue: try integer()) ?? .connect, socket: try integer(),
            name: try optionalString())
    }

    mutating func datagram() throws(TraceError) -> DatagramEvent {
        DatagramEvent(
            time: try integer(), pid: try integer(), local: try endpoint(), remote: try endpoint())
    }

    mutating func pids() throws(TraceError) -> [Int32] {
        var result: [Int32] = []
        for _ in 0..<(try integer(UInt32.self)) { result.append(try integer()) }
        return result
    }
}
