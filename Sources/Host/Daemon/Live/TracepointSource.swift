import EventTrace
import Glibc
import KernelProbe
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
    /// What rings held that have been replaced.
    private var leftover: [UInt8] = []
    private var processors: ProcessorEvents?
    /// Processors that came online since the last drain: what happened there before their rings were open is lost.
    private var revived: UInt64 = 0

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
                // Without it a processor that comes online later is not seen.
                processors = try? ProcessorEvents()
            }
        } catch {
            reason = Self.explain(error)
        }
    }

    private static func explain(_ error: TracepointError) -> String {
        let explanation = error.code.flatMap {
            KernelEnvironment.read().explanation(of: .tracepoints, code: $0)
        }
        return explanation.map { "\($0) (\(error))" } ?? error.description
    }

    /// The number to poll for processors that come online; `nil` where nothing tells of them.
    var processorsNumber: Int32? {
        switch processors {
        case .some(let processors): processors.number
        case .none: nil
        }
    }

    /// Opens the rings of processors that have come online. To be called when `processorsNumber` is readable.
    ///
    /// - Returns: the numbers to be polled from now on; those that they replace are closed and need no removal.
    mutating func followProcessors() -> [Int32] {
        let events: [ProcessorEvents.Event]
        switch processors {
        case .some(let processors): events = processors.next()
        case .none: return []
        }
        return follow(events)
    }

    /// The same for events as a test may tell them.
    mutating func follow(_ events: [ProcessorEvents.Event]) -> [Int32] {
        var numbers: [Int32] = []
        for event in events {
            do throws(TracepointError) {
                switch event {
                case .offline: continue
                case .online(let processor):
                    if let new = try rings?.reopen(processor: processor, drainingInto: &leftover).new {
                        numbers.append(new)
                    }
                case .overrun:
                    numbers += (try rings?.reopenAll(drainingInto: &leftover) ?? []).map(\.new)
                }
                revived += 1
            } catch {
                // It is offline again, or there is no memory for its ring: then it stays unseen, and that is said.
                if case .refused(let error) = error, error.code == ENODEV { continue }
                reason = "a processor that came online is not seen: \(error)"
            }
        }
        return numbers
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
        swap(&buffer, &leftover)
        if revived > 0 {
            drained.losses.append(
                Loss(source: SourceName.transitions, cause: "a processor came online", count: nil))
            revived = 0
        }
        _ = rings?.drain(appendingTo: &buffer)
        guard !buffer.isEmpty else { return }
        recorder?.add(.tracepoint, raw: buffer)
        let reported = Self.decode(buffer, layout, into: &batch.transitions)
        received += UInt64(batch.transitions.count)
        // The records report a loss only before the next event that finds room; the rings' own count
        // (Linux 6.0) has it at once, and holds what the records report as well.
        let total = (try? rings?.lost()) ?? (lost.addingReportingOverflow(reported).partialValue)
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
                    from: transition.oldState,
                    to: transition.newState, local: Endpoint(transition.local),
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
