@_exported public import Net
import Wire

/// A socket that went from one state to another.
///
/// A client's connection is reported by two of them: `close` to `synSent`, in the connecting process, with
/// no local port yet; and `synSent` to `established`, with the port, of the same `socket`, but in the
/// name of whatever process the answer happened to interrupt.
public struct StateTransition: Equatable, Sendable {
    /// Nanoseconds on `CLOCK_MONOTONIC`.
    public let time: UInt64
    /// The process that was running (`tgid`); 0 for none. It caused the transition only where that is
    /// a system call's work.
    public let process: Int32
    /// The thread that was running.
    public let thread: Int32
    /// The socket's address in the kernel: a name for as long as the socket lives, then used again.
    public let socket: UInt64
    /// The state before.
    public let oldState: TCPState
    /// The state after.
    public let newState: TCPState
    /// The address family's number.
    public let family: UInt16
    /// The protocol's number: 6 is TCP, 262 MPTCP.
    public let transport: UInt16
    /// This end.
    public let local: TransitionAddress
    /// The other end.
    public let remote: TransitionAddress

    private init(
        _ sample: PerfRecords.Sample, _ event: RawSpan, _ layout: TransitionLayout
    ) throws(WireError) {
        time = sample.time
        process = sample.process
        thread = sample.thread
        socket = try event.integer(at: Int(layout.socket))
        oldState = TCPState(rawValue: try event.integer(at: Int(layout.oldState)))
        newState = TCPState(rawValue: try event.integer(at: Int(layout.newState)))
        family = try event.integer(at: Int(layout.family))
        if layout.transportSize == 1 {
            transport = UInt16(try event.integer(at: Int(layout.transport), as: UInt8.self))
        } else {
            transport = try event.integer(at: Int(layout.transport))
        }
        local = try Self.address(event, layout.local, layout.localPort)
        remote = try Self.address(event, layout.remote, layout.remotePort)
    }

    private static func address(
        _ event: RawSpan, _ offset: UInt16, _ port: UInt16
    ) throws(WireError) -> TransitionAddress {
        TransitionAddress(
            high: UInt64(bigEndian: try event.integer(at: Int(offset))),
            low: UInt64(bigEndian: try event.integer(at: Int(offset) + 8)),
            // Ports are in host order already.
            port: try event.integer(at: Int(port)))
    }

    /// Calls `body` with each transition among the records, and `lost` with each count of dropped events.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it
    /// already delivered. Records of other kinds and of other tracepoints are skipped, and so are sockets
    /// of other protocols than TCP and MPTCP.
    static func parse(
        _ records: RawSpan, layout: TransitionLayout,
        _ body: (borrowing StateTransition) -> Void, lost: (UInt64) -> Void
    ) throws(WireError) {
        var walk = PerfRecords()
        while let record = try walk.next(in: records) {
            switch record {
            case .lost(let count): lost(count)
            case .sample(let sample):
                let event = records.extracting(sample.event)
                let identifier: UInt16 = try event.integer(at: 0)
                guard identifier == layout.identifier else { continue }
                let transition = try StateTransition(sample, event, layout)
                if transition.transport == 6 || transition.transport == 262 { body(transition) }
            case .other: continue
            }
        }
    }
}

extension TracepointRings {
    /// Calls `body` with each transition among drained records, and `lost` with each count of events that
    /// the kernel dropped; see `StateTransition`.
    ///
    /// The bytes may be hostile: what does not hold together is thrown, with what stands before it
    /// already delivered. Records of other kinds and of other tracepoints are skipped, and so are sockets
    /// of other protocols than TCP and MPTCP.
    public static func parse(
        _ records: RawSpan, layout: TransitionLayout,
        _ body: (borrowing StateTransition) -> Void, lost: (UInt64) -> Void
    ) throws(WireError) {
        try StateTransition.parse(records, layout: layout, body, lost: lost)
    }
}
