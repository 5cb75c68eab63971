import EventTrace
import Observation
import Records
import SystemCalls
import TracepointRing

/// What reports Unix sockets that are connected and whom UDP sockets send to, however short they live: probes where the kernel
/// has them, else the tracepoint that each message wakes and that of the routes that are looked up, else nothing.
final class LocalConnects {
    private var probes: ConnectProbes?
    private var rings: DataReadyRings?
    private var routes: RouteLookups?
    /// Why there is neither; empty if there is one.
    private(set) var reason = ""
    /// Why there are no probes.
    private var withoutProbes = ""
    /// Events received since the start.
    private(set) var received: UInt64 = 0
    /// Since when only listeners that are known are heard, nanoseconds since 1970; 0 while all are.
    private var narrowSince: UInt64 = 0
    /// Since when no datagrams over UDP are heard though they could be, nanoseconds since 1970; 0 while they are.
    private var unroutedSince: UInt64 = 0

    /// Opens what the kernel has, if it is wanted.
    init(isWanted: Bool) {
        guard isWanted else {
            reason = "switched off by the configuration"
            return
        }
        do throws(TracepointError) {
            probes = try ConnectProbes()
            return
        } catch { withoutProbes = "no probes (\(error))" }
        routes = try? RouteLookups()
        do throws(TracepointError) { rings = try DataReadyRings() } catch { giveUpRings(error) }
    }

    /// With rings alone, for a test.
    init(_ rings: consuming DataReadyRings, withoutProbes: String) {
        self.rings = consume rings
        self.withoutProbes = withoutProbes
    }

    private func giveUpRings(_ error: TracepointError) {
        rings = nil
        reason = "\(withoutProbes), no sock:sk_data_ready (\(error))"
        narrowSince = 0
    }

    /// What sees nothing, for a test that plays a kernel.
    init(off reason: String) { self.reason = reason }

    var isOn: Bool { reason.isEmpty }

    /// How they run, as the header of a dump has it.
    var mode: String {
        if !isOn { return "off: \(reason)" }
        if probes != nil { return narrowSince == 0 ? "probes" : "probes, no datagrams over UDP" }
        return "tracepoint" + (narrowSince == 0 ? "" : ", known listeners alone")
            + (unroutedSince == 0 ? "" : ", no datagrams over UDP")
    }

    /// The numbers to poll.
    var numbers: [Int32] { (probes?.numbers ?? []) + (rings?.numbers ?? []) + (routes?.numbers ?? []) }

    /// When more is let through again, `CLOCK_MONOTONIC`, nanoseconds.
    var retryTime: UInt64? {
        guard let own = ownRetryTime else { return routes?.retryTime ?? nil }
        return min(own, (routes?.retryTime ?? nil) ?? own)
    }

    private var ownRetryTime: UInt64? { rings?.retryTime ?? probes?.retryTime ?? nil }

    /// Opens the rings of processors that came online.
    func followProcessors() {
        try? probes?.follow(processor: nil)
        try? rings?.followAll()
        try? routes?.followAll()
    }

    /// Takes what has happened.
    func drain(_ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?) {
        var connects: [UnixConnect] = []
        var ends: [DatagramCall] = []
        var sends: [DatagramCall] = []
        var counts = DataReadyEvents.Counts()
        var isChanged = false
        if probes != nil {
            (counts, isChanged) = probes!.drain {
                connects.append($0)
            } _: {
                ends.append($0)
            } _: {
                sends.append($0)
            }
        } else if rings != nil {
            (counts, isChanged) = rings!.drain(now: batch.cutoff) { connects.append($0) }
            if rings?.isReadable == false {
                giveUpRings(.noFunctions)
                isChanged = false
                drained.modeChanged = true
            }
        }
        if isChanged {
            narrowSince = ownRetryTime == nil ? 0 : batch.wall
            drained.modeChanged = true
        }
        drainRoutes(&batch, &counts, &drained)
        received += counts.events
        for connect in connects { batch.connects.append(LocalConnect(connect)) }
        for end in ends { batch.datagramEnds.append(DatagramEvent(end)) }
        for send in sends { batch.datagramSends.append(DatagramEvent(send)) }
        if let recorder {
            for connect in batch.connects { recorder.add(.localConnect) { $0.put(connect) } }
            for end in batch.datagramEnds { recorder.add(.datagramEnd) { $0.put(end) } }
            for send in batch.datagramSends { recorder.add(.datagramSend) { $0.put(send) } }
            for route in batch.datagramRoutes { recorder.add(.datagramRoute) { $0.put(route) } }
        }
        if counts.lost > 0 {
            drained.losses.append(Loss(source: SourceName.local, cause: "ring full", count: counts.lost))
        }
    }

    private func drainRoutes(
        _ batch: inout EventBatch, _ counts: inout DataReadyEvents.Counts, _ drained: inout Drained
    ) {
        guard routes != nil else { return }
        var calls: [DatagramCall] = []
        let (read, isChanged) = routes!.drain(now: batch.cutoff) { calls.append($0) }
        for call in calls { batch.datagramRoutes.append(DatagramEvent(call)) }
        counts.events += read.events
        counts.lost += read.lost
        guard isChanged else { return }
        unroutedSince = routes?.retryTime == nil ? 0 : batch.wall
        drained.modeChanged = true
    }

    /// What is not seen, and since when.
    func blindSpots(started: UInt64) -> [BlindSpot] {
        if !isOn {
            return [BlindSpot(source: SourceName.local, cause: "off: \(reason)", since: started)]
        }
        var spots: [BlindSpot] = []
        func add(_ cause: String, _ since: UInt64) {
            if since != 0 { spots.append(BlindSpot(source: SourceName.local, cause: cause, since: since)) }
        }
        let datagrams = "too many datagrams over UDP"
        add(probes == nil ? "too many messages: known listeners alone" : datagrams, narrowSince)
        add(datagrams, unroutedSince)
        return spots
    }

    /// What it means, for people; `nil` where nothing is missing.
    var sentence: String? {
        isOn
            ? nil
            : "Unix sockets that live shorter than the time between two scans are neither found nor counted: \(reason)"
    }
}

extension LocalConnect {
    /// The same in the words of the observation.
    init(_ connect: UnixConnect) {
        let call: Call =
            switch connect.call {
            case .connect: .connect
            case .datagram: .datagram
            case .send: .send
            }
        self.init(
            time: connect.time, pid: connect.process, call: call, socket: connect.socket, name: connect.name)
    }
}

extension DatagramEvent {
    /// The same in the words of the observation.
    init(_ call: DatagramCall) {
        self.init(
            time: call.time, pid: call.process, local: Endpoint(call.local), remote: Endpoint(call.remote))
    }
}
