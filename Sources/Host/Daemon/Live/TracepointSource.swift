import EventTrace
import Observation
import Records
import SystemCalls
import TracepointRing
import Wire

/// The tracepoint ring if the kernel gives it, and else the reason why it does not.
struct TracepointSource: ~Copyable {
    private var rings: TracepointRings?
    private var layout: TransitionLayout?
    /// Why there is no ring; empty if there is one.
    private(set) var reason = ""
    /// Events received and lost since the start.
    private(set) var received: UInt64 = 0
    private(set) var lost: UInt64 = 0
    private var buffer: [UInt8] = []

    init(isWanted: Bool) {
        guard isWanted else {
            reason = "switched off by the configuration"
            return
        }
        do throws(TracepointError) {
            let rings = try TracepointRings()
            layout = try? TransitionLayout(rings.format)
            if layout == nil {
                reason = "the tracepoint has other fields than expected"
            } else {
                self.rings = consume rings
            }
        } catch {
            reason = error.description
        }
    }

    /// Whether there is a ring.
    var isOn: Bool { layout != nil }

    /// The layout of the events, for a recording.
    var layoutBytes: [UInt8] { layout?.bytes ?? [] }

    /// The numbers to poll.
    var numbers: [Int32] {
        switch rings {
        case .some(let rings): rings.numbers
        case .none: []
        }
    }

    mutating func drain(
        _ batch: inout EventBatch, _ drained: inout Drained, _ recorder: TraceRecorder?
    ) {
        guard let layout else { return }
        // What full rings held is not kept for ever.
        buffer.removeAll(keepingCapacity: buffer.capacity <= 1 << 20)
        guard (rings?.drain(appendingTo: &buffer) ?? 0) > 0 else { return }
        recorder?.add(.tracepoint, raw: buffer)
        let told = Self.decode(buffer, layout, into: &batch.transitions)
        received += UInt64(batch.transitions.count)
        // The records tell of a loss only before the next event that finds room; the rings' own count
        // (Linux 6.0) tells at once, and holds what the records tell as well.
        let total = (try? rings?.lost()) ?? (lost.addingReportingOverflow(told).partialValue)
        if total > lost {
            drained.losses.append(
                Loss(source: SourceName.transitions, cause: "ring full", count: total - lost))
            lost = total
        }
    }

    /// Turns perf records into events; returns how many the kernel said it dropped.
    static func decode(
        _ records: [UInt8], _ layout: TransitionLayout, into transitions: inout [TransitionEvent]
    ) -> UInt64 {
        var lost: UInt64 = 0
        try? TracepointRings.parse(records.span.bytes, layout: layout) { transition in
            transitions.append(
                TransitionEvent(
                    time: transition.time, pid: transition.process, socket: transition.socket,
                    from: TCPState(rawValue: transition.oldState.rawValue),
                    to: TCPState(rawValue: transition.newState.rawValue), local: Endpoint(transition.local),
                    remote: Endpoint(transition.remote)))
        } lost: {
            lost = lost.addingReportingOverflow($0).overflow ? .max : lost + $0
        }
        return lost
    }
}

extension Endpoint {
    /// The same address in the words of records.
    init(_ address: TransitionAddress) {
        self.init(NetworkAddress(high: address.high, low: address.low), port: address.port)
    }
}
